// Name maps: how the variables of other programs' models are called here, as data.
//
// A map is a text file (models/maps/*.map), one statement a line; words are separated by blanks, '#' at the begin of a word
// begins a comment:
//
//   network NAME [KEY=VALUE ...]     a network of ours that the map serves; {KEY} stands for VALUE in patterns
//   peer NAME                        the model of another program, in the order of the networks
//   classes N                        of the peer's public weights
//   epsilon X                        of the peer's batch norms
//   input TEXT                       how the peer's images are normalised
//   differs TEXT                     what else its definition has otherwise, and what that does to the outputs
//   define NAME a=b|c=d|...          a choice: a in the peer's name where b stands in ours
//   pass PATTERN                     a variable of the peer that is none of ours
//   fill ones|zeros PATTERN          a variable of ours that the peer does not have, and its value
//   [optional] LAYOUT PATTERN PATTERN   the peer's name, ours, and how the elements of tensors are laid out (vectors are the
//                                    same everywhere); optional: passed over where our network has no such variable
//     same       as here (convolutions HWIO, depthwise HWCM)
//     conv       peer OIHW, here HWIO
//     depthwise  peer [C*M,1,H,W], here HWCM
//     linear     peer [O,I], here [I,O] or [1,1,I,O]
//     dense      peer [I,O], here [I,O] or [1,1,I,O]
//   sequence LAYOUT PATTERN PATTERN  names that are numbered only: those of the peer that no other statement fits, in the
//                                    order of their number {#} ("" or "_7"), are those of ours that are left, in the
//                                    network's order
//
// A pattern is text with {x} for a whole number, {x+1} for one that is larger by 1 than x on the other side, {NAME} for a
// choice (of several lines define, if need be), and {*} for anything (in pass, fill and sequence). The first statement that
// fits a name decides.
#pragma once

#include <charconv>
#include <map>
#include <optional>
#include <set>
#include <sstream>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "tinyvision/checkpoint/weights.hpp"
#include "tinyvision/core/files.hpp"

TINYVISION_BEGIN
namespace checkpoint {

/// What names in braces stand for: numbers, or the place in a choice.
using Captures = std::map<std::string, std::int64_t, std::less<>>;

/// One choice: pairs of a peer's word and ours.
using NameChoice = std::vector<std::pair<std::string, std::string>>;

/// A pattern of a name map.
class NamePattern {
 public:
  /// `ours` says which side of choices it has. Throws Error with what is wrong.
  NamePattern(std::string_view text, bool ours, const std::map<std::string, NameChoice, std::less<>>& choices)
      : text_(text), ours_(ours) {
    while (!text.empty()) {
      const std::size_t brace = text.find('{');
      if (brace > 0) pieces_.push_back({Piece::Kind::literal, std::string(text.substr(0, brace)), 0, {}});
      if (brace == text.npos) break;
      const std::size_t end = text.find('}', brace);
      check(end != text.npos, "name map", "pattern '", text_, "' has no closing brace");
      add_capture(text.substr(brace + 1, end - brace - 1), choices);
      text.remove_prefix(end + 1);
    }
  }

  const std::string& text() const { return text_; }
  /// Whether `name` fits; then `captures` holds what its braces stand for.
  bool match(std::string_view name, Captures& captures) const {
    captures.clear();
    return match_from(0, name, captures);
  }
  /// The name for these captures. Throws Error when one is missing.
  std::string expand(const Captures& captures) const {
    std::string name;
    for (const Piece& piece : pieces_) {
      if (piece.kind == Piece::Kind::literal) {
        name += piece.text;
        continue;
      }
      const auto found = captures.find(piece.text);
      check(found != captures.end(), "name map", "'", piece.text, "' of pattern '", text_, "' stands on one side only");
      name += piece.kind == Piece::Kind::number ? std::to_string(found->second + piece.offset)
                                                : word(piece, static_cast<std::size_t>(found->second));
    }
    return name;
  }

 private:
  struct Piece {
    enum class Kind { literal, number, suffix, choice, anything };
    Kind kind;
    std::string text;     ///< the literal, or the capture's name
    std::int64_t offset;  ///< of a number
    NameChoice words;
  };

  void add_capture(std::string_view inside, const std::map<std::string, NameChoice, std::less<>>& choices) {
    if (inside == "*") return pieces_.push_back({Piece::Kind::anything, "*", 0, {}});
    if (inside == "#") return pieces_.push_back({Piece::Kind::suffix, "#", 0, {}});
    if (const auto choice = choices.find(inside); choice != choices.end())
      return pieces_.push_back({Piece::Kind::choice, std::string(inside), 0, choice->second});
    const std::size_t sign = inside.find_first_of("+-");
    std::int64_t offset = 0;
    if (sign != inside.npos) {
      const auto [at, error] = std::from_chars(inside.data() + sign + 1, inside.data() + inside.size(), offset);
      check(error == std::errc() && at == inside.data() + inside.size(), "name map", "pattern '", text_, "': '", inside,
            "' is no sum");
      if (inside[sign] == '-') offset = -offset;
    }
    const std::string_view number = inside.substr(0, sign);
    check(!number.empty() && number.find_first_not_of("abcdefghijklmnopqrstuvwxyz") == number.npos, "name map",
          "pattern '", text_, "' names the unknown choice '", inside, "'");
    pieces_.push_back({Piece::Kind::number, std::string(number), offset, {}});
  }

  const std::string& word(const Piece& piece, std::size_t index) const {
    return ours_ ? piece.words[index].second : piece.words[index].first;
  }
  /// Sets a capture; false when it stands for something else already.
  static bool set(Captures& captures, const std::string& name, std::int64_t value) {
    return captures.emplace(name, value).first->second == value;
  }

  // Depth of the recursion: the pattern's pieces.
  bool match_from(std::size_t at, std::string_view name, Captures& captures) const {
    if (at == pieces_.size()) return name.empty();
    const Piece& piece = pieces_[at];
    switch (piece.kind) {
      case Piece::Kind::literal:
        return name.starts_with(piece.text) && match_from(at + 1, name.substr(piece.text.size()), captures);
      case Piece::Kind::anything:
        for (std::size_t taken = 0; taken <= name.size(); ++taken)
          if (match_from(at + 1, name.substr(taken), captures)) return true;
        return false;
      case Piece::Kind::suffix: {  // nothing, or _N
        std::int64_t value = 0;
        if (name.starts_with('_')) {
          const auto [end, error] = std::from_chars(name.data() + 1, name.data() + name.size(), value);
          if (error != std::errc() || value < 0) return false;
          name.remove_prefix(static_cast<std::size_t>(end - name.data()));
        }
        return set(captures, piece.text, value) && match_from(at + 1, name, captures);
      }
      case Piece::Kind::number: {
        std::int64_t value = 0;
        const auto [end, error] = std::from_chars(name.data(), name.data() + name.size(), value);
        if (error != std::errc() || name.front() == '-') return false;
        Captures trial = captures;
        if (!set(trial, piece.text, value - piece.offset) ||
            !match_from(at + 1, name.substr(static_cast<std::size_t>(end - name.data())), trial))
          return false;
        captures = trial;
        return true;
      }
      default:
        for (std::size_t i = 0; i < piece.words.size(); ++i) {
          const std::string& text = word(piece, i);
          Captures trial = captures;
          if (!name.starts_with(text) || !set(trial, piece.text, static_cast<std::int64_t>(i)) ||
              !match_from(at + 1, name.substr(text.size()), trial))
            continue;
          captures = trial;
          return true;
        }
        return false;
    }
  }

  std::string text_;
  bool ours_;
  std::vector<Piece> pieces_;
};

/// How a rule's tensors are laid out.
enum class NameLayout { same, conv, depthwise, linear, dense };

/// A map for one network.
struct NameMap {
  struct Rule {
    NameLayout layout;
    NamePattern peer, ours;
    bool optional = false;
  };
  struct Fill {
    double value;
    NamePattern ours;
  };
  std::string path{}, network{}, peer{}, input{};
  Index classes = 0;
  double epsilon = 0;  ///< of the peer's batch norms; 0: not stated
  std::vector<std::string> differs{};
  std::vector<NamePattern> passed{};
  std::vector<Fill> fills{};
  std::vector<Rule> sequences{}, rules{};
};

namespace detail {

/// `text` with {KEY} replaced.
inline std::string with_constants(std::string text, const std::map<std::string, std::string, std::less<>>& constants) {
  for (const auto& [key, value] : constants)
    for (std::size_t at = 0; (at = text.find("{" + key + "}", at)) != text.npos; at += value.size())
      text.replace(at, key.size() + 2, value);
  return text;
}

}  // namespace detail

/// The names of the networks that a map's text serves.
inline std::vector<std::string> networks_of_map(std::string_view text) {
  std::vector<std::string> names;
  std::istringstream lines{std::string(text)};
  for (std::string line; std::getline(lines, line);) {
    std::istringstream words(line);
    std::string statement, name;
    if (words >> statement >> name && statement == "network") names.push_back(name);
  }
  return names;
}

/// The map of a text for one of its networks. Throws UsageError naming path and line.
inline NameMap parse_name_map(std::string_view text, const std::string& network, const std::string& path) {
  NameMap map;
  map.path = path;
  map.network = network;
  std::map<std::string, NameChoice, std::less<>> choices;
  std::map<std::string, std::string, std::less<>> constants;
  std::size_t networks = 0, peers = 0, which = 0;
  bool found = false;
  std::istringstream lines{std::string(text)};
  std::string line;
  for (int number = 1; std::getline(lines, line); ++number) {
    const auto refuse = [&](const auto&... why) { fail_usage("name map", path, ": line ", number, ": ", why...); };
    if (const std::size_t comment = (" " + line).find(" #"); comment != line.npos) line.resize(comment);
    std::istringstream words(detail::with_constants(line, constants));
    std::string statement, first, second, more;
    if (!(words >> statement)) continue;
    const auto rest = [&] {
      std::getline(words >> std::ws, more);
      return more;
    };
    const auto patterns = [&](int count) {
      if (!(words >> first) || (count > 1 && !(words >> second)) || words >> more)
        refuse("'", statement, "' takes ", count, count > 1 ? " words" : " word");
    };
    try {
      if (statement == "network") {
        words >> first;
        if (first == network) {
          found = true;
          which = networks;
          while (words >> more)
            constants[more.substr(0, more.find('='))] = more.substr(std::min(more.find('='), more.size() - 1) + 1);
        }
        ++networks;
      } else if (statement == "peer") {
        if (peers++ == which) map.peer = rest();
      } else if (statement == "classes") {
        if (!(words >> map.classes) || map.classes < 1) refuse("classes must be a positive number");
      } else if (statement == "epsilon") {
        if (!(words >> map.epsilon) || !(map.epsilon > 0)) refuse("epsilon must be a positive number");
      } else if (statement == "input") {
        map.input = rest();
      } else if (statement == "differs") {
        map.differs.push_back(rest());
      } else if (statement == "define") {
        patterns(2);
        std::istringstream options(second);
        for (std::string option; std::getline(options, option, '|');) {
          const std::size_t equals = option.find('=');
          choices[first].emplace_back(option.substr(0, equals),
                                      equals == option.npos ? option : option.substr(equals + 1));
        }
      } else if (statement == "pass") {
        patterns(1);
        map.passed.emplace_back(first, false, choices);
      } else if (statement == "fill") {
        patterns(2);
        if (first != "ones" && first != "zeros") refuse("fill takes ones or zeros, not '", first, "'");
        map.fills.push_back({first == "ones" ? 1.0 : 0.0, NamePattern(second, true, choices)});
      } else {
        const bool optional = statement == "optional", sequence = statement == "sequence";
        if ((optional || sequence) && !(words >> statement)) refuse("'", statement, "' of nothing");
        const std::map<std::string_view, NameLayout> layouts{{"same", NameLayout::same},
                                                             {"conv", NameLayout::conv},
                                                             {"depthwise", NameLayout::depthwise},
                                                             {"linear", NameLayout::linear},
                                                             {"dense", NameLayout::dense}};
        const auto layout = layouts.find(statement);
        if (layout == layouts.end()) refuse("unknown statement '", statement, "'");
        patterns(2);
        (sequence ? map.sequences : map.rules)
            .push_back(
                {layout->second, NamePattern(first, false, choices), NamePattern(second, true, choices), optional});
      }
    } catch (const UsageError&) {
      throw;
    } catch (const Error& error) {
      refuse(error.what());
    }
  }
  if (!found) fail_usage("name map", path, ": serves ", join_names(networks_of_map(text), 20), ", not '", network, "'");
  return map;
}

/// Reads the map in `path` for a network.
inline NameMap load_name_map(const std::string& path, const std::string& network) {
  return parse_name_map(read_file(path), network, path);
}

namespace detail {

/// `source` with its axes in another order: axis i of the result is axis `order[i]` of the source. Bytes are moved, never
/// converted.
inline Tensor permute_axes(const Tensor& source, const std::vector<int>& order) {
  const Tensor packed = source.packed();
  Shape shape;
  for (const int axis : order) shape.push_back(packed.shape()[axis]);
  const Tensor out = Tensor::empty(shape, packed.dtype());
  const std::size_t size = size_of(packed.dtype());
  std::vector<Index> stride(order.size(), 1);  // of the source, in the order of the result
  for (std::size_t i = 0; i < order.size(); ++i)
    for (int axis = order[i] + 1; axis < packed.shape().rank(); ++axis) stride[i] *= packed.shape()[axis];
  std::vector<Index> at(order.size(), 0);
  for (Index i = 0; i < out.count(); ++i) {
    Index from = 0;
    for (std::size_t axis = 0; axis < at.size(); ++axis) from += at[axis] * stride[axis];
    std::memcpy(static_cast<char*>(out.raw()) + static_cast<std::size_t>(i) * size,
                static_cast<const char*>(packed.raw()) + static_cast<std::size_t>(from) * size, size);
    for (std::size_t axis = at.size(); axis-- > 0;) {
      if (++at[axis] < shape[static_cast<int>(axis)]) break;
      at[axis] = 0;
    }
  }
  return out;
}

/// A name of the peer, the rule that decides about it, and ours.
struct MappedName {
  const NameMap::Rule* rule;
  std::string ours;
};

/// Gives the names in `names` that no rule has decided about those that the map's sequences lead to. Throws UsageError when
/// the two sides have not equally many.
inline void map_sequences(const NameMap& map, const WeightFile& file, const std::vector<ExpectedTensor>& expected,
                          std::map<std::string_view, MappedName>& names) {
  Captures captures;
  std::set<std::string> taken;
  for (const auto& [name, mapped] : names) taken.insert(mapped.ours);
  for (const NameMap::Rule& rule : map.sequences) {
    std::map<std::int64_t, std::string_view> peers;
    for (const auto& [name, tensor] : file.tensors)
      if (const auto found = names.find(name);
          found != names.end() && found->second.rule == nullptr && rule.peer.match(name, captures))
        peers.emplace(captures.at("#"), name);
    std::vector<std::string> ours;
    for (const ExpectedTensor& e : expected)
      if (e.required && !taken.contains(e.name) && rule.ours.match(e.name, captures)) ours.push_back(e.name);
    if (peers.size() != ours.size())
      fail_usage("name map", file.path, ": ", peers.size(), " variables ", rule.peer.text(), ", ", map.network, " has ",
                 ours.size(), " (", map.path, ")");
    std::size_t at = 0;
    for (const auto& [number, name] : peers) names[name] = {&rule, ours[at++]};
  }
}

/// The peer's tensor as ours; undefined when its rank does not suit the layout or its channels not `wanted`.
inline Tensor from_peer(NameLayout layout, const Tensor& peer, const Shape& wanted) {
  const int rank = peer.shape().rank();
  if (rank < 2) return peer;
  switch (layout) {
    case NameLayout::conv: return rank == 4 ? permute_axes(peer, {2, 3, 1, 0}) : Tensor();
    case NameLayout::depthwise: {
      if (rank != 4 || wanted.rank() != 4 || peer.dim(1) != 1 || wanted[2] * wanted[3] != peer.dim(0)) return {};
      const Tensor grouped = peer.packed().reshape({wanted[2], wanted[3], peer.dim(2), peer.dim(3)});
      return permute_axes(grouped, {2, 3, 0, 1});
    }
    case NameLayout::linear:
    case NameLayout::dense: {
      if (rank != 2) return {};
      const Tensor matrix = layout == NameLayout::linear ? permute_axes(peer, {1, 0}) : peer.packed();
      return wanted.rank() == 4 ? matrix.reshape({1, 1, matrix.dim(0), matrix.dim(1)}) : matrix;
    }
    default: return peer;
  }
}

}  // namespace detail

/// The tensors of a peer's file under our names and in our layout, for a network that expects `expected`. Throws UsageError
/// naming the file and the map when a name fits no rule, two names become one, a rule leads to a name that the network does
/// not have, or a shape does not fit; match_weights then finds what is missing. Variables that the map fills are added.
inline WeightFile apply_name_map(const NameMap& map, const WeightFile& file,
                                 const std::vector<ExpectedTensor>& expected) {
  std::map<std::string_view, const ExpectedTensor*> wanted;
  for (const ExpectedTensor& e : expected) wanted.emplace(e.name, &e);
  const auto refuse = [&](const auto&... why) { fail_usage("name map", file.path, ": ", why..., " (", map.path, ")"); };
  WeightFile out = file;
  out.tensors.clear();
  out.averaged.clear();

  std::map<std::string_view, detail::MappedName> names;  // without those that are passed
  Captures captures;
  for (const auto& [peer, tensor] : file.tensors) {
    bool passed = false;
    for (const NamePattern& pattern : map.passed) passed = passed || pattern.match(peer, captures);
    if (passed) {
      out.passed_over.push_back({peer, "has no counterpart (" + map.path + ")"});
      continue;
    }
    detail::MappedName mapped{nullptr, {}};
    for (std::size_t i = 0; mapped.rule == nullptr && i < map.rules.size(); ++i)
      if (map.rules[i].peer.match(peer, captures)) mapped = {&map.rules[i], map.rules[i].ours.expand(captures)};
    names.emplace(peer, mapped);
  }
  detail::map_sequences(map, file, expected, names);

  std::map<std::string, std::string> taken;  // our name and the peer's
  std::vector<std::string> unknown;
  for (const auto& [peer, tensor] : file.tensors) {
    const auto mapped = names.find(peer);
    if (mapped == names.end()) continue;
    const auto& [rule, ours] = mapped->second;
    if (rule == nullptr) {
      unknown.push_back(peer);
      continue;
    }
    const auto need = wanted.find(ours);
    if (need == wanted.end() && rule->optional) {
      out.passed_over.push_back({peer, "is for a part that the network does not have here"});
      continue;
    }
    const auto [before, fresh] = taken.emplace(ours, peer);
    if (!fresh) refuse("'", before->second, "' and '", peer, "' are both '", ours, "'");
    if (need == wanted.end()) refuse("'", peer, "' is '", ours, "', which ", map.network, " does not have");
    const Tensor converted = detail::from_peer(rule->layout, tensor, need->second->shape);
    if (!converted.defined() || (!need->second->replaceable && converted.shape() != need->second->shape))
      refuse("'", peer, "' has shape ", tensor.shape(), ", which as '", ours, "' does not fit ", need->second->shape);
    out.tensors.emplace_back(ours, converted);
  }
  if (!unknown.empty()) refuse("names that fit no rule, ", detail::list_with_suggestions(unknown, {}));
  for (const ExpectedTensor& e : expected) {
    if (taken.contains(e.name)) continue;
    for (const NameMap::Fill& fill : map.fills)
      if (fill.ours.match(e.name, captures)) {
        out.tensors.emplace_back(e.name, Tensor::full(e.shape, fill.value, e.dtype));
        break;
      }
  }
  out.metadata["name_map"] = map.path;
  out.metadata["peer"] = map.peer;
  return out;
}

}  // namespace checkpoint
TINYVISION_END
