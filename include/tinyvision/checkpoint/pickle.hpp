// Python pickles as data: a stack machine for a list of opcodes, which executes nothing.
//
// A pickle is a program for a stack machine. This reader runs the part of it that builds None, bool, int, float, str,
// tuple, list, dict and persistent references, in protocols 0 to 5 as far as these need it. It calls nothing: the names
// of callables are compared with a list, and the calls in it are answered by two functions of this header's user, who
// knows what they mean. Any other name, any other opcode and any persistent reference of another form is refused with the
// byte where it stands.
//
// Limits: 2,000,000 values (an opcode makes at most one), 1,000,000 memo entries, strings of 65,536 bytes, values nested
// 32 deep. Pickles whose values contain themselves are refused. Values are kept in one vector
// and refer to each other by number, so that neither freeing nor checking them recurses.
//
// Source: the opcodes' descriptions in Python's module pickletools.
#pragma once

#include <algorithm>
#include <bit>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "tinyvision/core/byte_view.hpp"

TINYVISION_BEGIN
namespace checkpoint {

/// The number of a value within its pickle.
using PickleId = std::uint32_t;

/// One value. `items` are the elements of a tuple or list, keys and values of a dict in turn, the one element of a
/// persistent reference, and the arguments' tuple of a call.
struct PickleValue {
  enum class Kind { none, boolean, integer, real, text, tuple, list, dict, global, reference, call };
  Kind kind = Kind::none;
  std::int64_t integer = 0;  ///< of a boolean, an integer
  double real = 0;           ///< of a real
  std::string_view text{};   ///< of a text; of a global or call the name, "module name"
  std::vector<PickleId> items{};
  std::uint64_t offset = 0;  ///< byte of the file that made it
};

constexpr const char* to_string(PickleValue::Kind kind) {
  constexpr const char* names[] = {"None",
                                   "a bool",
                                   "an int",
                                   "a float",
                                   "a str",
                                   "a tuple",
                                   "a list",
                                   "a dict",
                                   "a name of Python's",
                                   "a persistent id",
                                   "a call"};
  return names[static_cast<int>(kind)];
}

/// A pickle that was read.
class Pickle {
 public:
  using Kind = PickleValue::Kind;
  static constexpr std::size_t max_values = 2'000'000, max_memo = 1'000'000, max_text = 65'536;
  static constexpr int max_depth = 32;

  /// Reads the pickle at the begin of `bytes`; `size()` tells how many bytes it took. `globals` are the names that may
  /// occur, as "module name"; a call of one whose name is in `dicts` makes a dict of nothing or of pairs. Throws UsageError
  /// with the byte for anything else. The bytes must outlive the object.
  Pickle(const ByteView& bytes, const std::vector<std::string_view>& globals,
         const std::vector<std::string_view>& dicts)
      : bytes_(bytes), globals_(globals), dicts_(dicts) {
    while (!step()) {
    }
    check_shape();
  }

  const PickleValue& root() const { return values_[root_]; }
  const PickleValue& operator[](PickleId id) const { return values_[id]; }
  std::uint64_t size() const { return at_; }

  /// Throws UsageError about a value: `[where] path: byte n: args...`.
  template <class... Args>
  [[noreturn]] void refuse(const PickleValue& value, const Args&... args) const {
    bytes_.refuse(value.offset - bytes_.position(), args...);
  }
  /// The value's element `index`, of that kind.
  const PickleValue& item(const PickleValue& value, std::size_t index, Kind kind, std::string_view what) const {
    if (index >= value.items.size()) refuse(value, what, " is missing");
    const PickleValue& found = values_[value.items[index]];
    if (found.kind != kind) refuse(found, what, " must be ", to_string(kind), ", not ", to_string(found.kind));
    return found;
  }

 private:
  static constexpr PickleId mark = 0xffffffff;

  template <class... Args>
  [[noreturn]] void refuse_here(const Args&... args) const {
    bytes_.refuse(opcode_at_, args...);
  }

  template <class T>
  T take(std::string_view what) {
    const T value = bytes_.number<T>(at_, what);
    at_ += sizeof(T);
    return value;
  }
  std::string_view take_bytes(std::uint64_t length) {
    const std::string_view out = bytes_.bytes(at_, length, "a string");
    at_ += length;
    return out;
  }
  std::string_view take_text(std::uint64_t length) {
    if (length > max_text) refuse_here("a string of ", length, " bytes; at most ", max_text, " are read");
    return take_bytes(length);
  }
  std::string_view take_line() {
    const std::string_view rest = bytes_.all().substr(at_, max_text);
    const std::size_t end = rest.find('\n');
    if (end == rest.npos) refuse_here("a line that does not end");
    at_ += end + 1;
    return rest.substr(0, end);
  }

  PickleValue& push(Kind kind) {
    if (values_.size() >= max_values) refuse_here("more than ", max_values, " values");
    values_.push_back({});
    values_.back().kind = kind;
    values_.back().offset = bytes_.position(opcode_at_);
    stack_.push_back(static_cast<PickleId>(values_.size() - 1));
    return values_.back();
  }
  void push_integer(std::int64_t value) { push(Kind::integer).integer = value; }

  PickleId pop() {
    if (stack_.empty() || stack_.back() == mark) refuse_here("the stack is empty");
    const PickleId id = stack_.back();
    stack_.pop_back();
    return id;
  }
  PickleValue& top() {
    if (stack_.empty() || stack_.back() == mark) refuse_here("the stack is empty");
    return values_[stack_.back()];
  }
  /// Everything above the topmost mark, which goes too.
  std::vector<PickleId> pop_to_mark() {
    std::size_t begin = stack_.size();
    while (begin > 0 && stack_[begin - 1] != mark) --begin;
    if (begin == 0) refuse_here("no mark on the stack");
    std::vector<PickleId> items(stack_.begin() + static_cast<std::ptrdiff_t>(begin), stack_.end());
    stack_.resize(begin - 1);
    return items;
  }

  void put(std::uint64_t index) {
    top();
    if (memo_.size() >= max_memo) refuse_here("more than ", max_memo, " memo entries");
    memo_[index] = stack_.back();
  }
  void get(std::uint64_t index) {
    const auto found = memo_.find(index);
    if (found == memo_.end()) refuse_here("memo entry ", index, " does not exist");
    stack_.push_back(found->second);
  }

  void push_tuple(std::size_t count) {
    std::vector<PickleId> items(count);
    for (std::size_t i = count; i > 0; --i) items[i - 1] = pop();
    push(Kind::tuple).items = std::move(items);
  }
  void append(Kind kind, const std::vector<PickleId>& items) {
    PickleValue& target = top();
    if (target.kind != kind) refuse_here("adds to ", to_string(target.kind), " where ", to_string(kind), " belongs");
    if (kind == Kind::dict && items.size() % 2 != 0) refuse_here("a key without a value");
    target.items.insert(target.items.end(), items.begin(), items.end());
  }

  /// `module` and `name` stand in the file one after the other, with or without a byte between them.
  void push_global(std::string_view module, std::string_view name) {
    for (const std::string_view allowed : globals_)
      if (allowed.size() == module.size() + 1 + name.size() && allowed.starts_with(module) &&
          allowed[module.size()] == ' ' && allowed.ends_with(name)) {
        push(Kind::global).text = allowed;
        return;
      }
    refuse_here("names the callable '", module, ".", name, "', which is not among those that weights need");
  }
  void call() {
    const PickleId arguments = pop();
    const PickleId function = pop();
    if (values_[function].kind != Kind::global) refuse_here("calls ", to_string(values_[function].kind));
    if (values_[arguments].kind != Kind::tuple) refuse_here("the arguments of a call are no tuple");
    const std::string_view name = values_[function].text;
    for (const std::string_view dict : dicts_)
      if (name == dict) return push_dict(arguments);
    PickleValue& value = push(Kind::call);
    value.text = name;
    value.items = {arguments};
  }
  /// OrderedDict() or OrderedDict([[key, value], ...]).
  void push_dict(PickleId arguments) {
    std::vector<PickleId> items;
    const std::vector<PickleId>& given = values_[arguments].items;
    if (given.size() > 1) refuse_here("a dict of ", given.size(), " arguments");
    if (!given.empty()) {
      if (values_[given[0]].kind != Kind::list) refuse_here("a dict made of ", to_string(values_[given[0]].kind));
      for (const PickleId pair : values_[given[0]].items) {
        if (values_[pair].items.size() != 2) refuse_here("a dict made of something else than pairs");
        items.insert(items.end(), values_[pair].items.begin(), values_[pair].items.end());
      }
    }
    copied_ += items.size();  // a list may be used again and again, and its copies must not outgrow the file
    if (copied_ > bytes_.size()) refuse_here("dicts are made of the same lists too often");
    push(Kind::dict).items = std::move(items);
  }

  /// A signed little-endian number of `length` bytes.
  void push_long(std::uint64_t length) {
    // PyTorch's legacy files begin with one of 10 bytes; what does not fit is kept as its bytes.
    const std::string_view digits = take_text(length);
    if (length > 8) {
      push(Kind::text).text = digits;
      return;
    }
    std::uint64_t value = length > 0 && (digits.back() & 0x80) ? ~std::uint64_t{0} : 0;
    for (std::size_t i = length; i > 0; --i) value = (value << 8) | static_cast<unsigned char>(digits[i - 1]);
    push_integer(static_cast<std::int64_t>(value));
  }

  /// Runs one opcode; true after the last.
  bool step() {
    opcode_at_ = at_;
    const auto opcode = static_cast<char>(take<std::uint8_t>("an opcode"));
    switch (opcode) {
      case '\x80': {  // PROTO
        if (const int protocol = take<std::uint8_t>("the protocol"); protocol > 5)
          refuse_here("protocol ", protocol, " is not known (0 to 5 are)");
        break;
      }
      case '\x95': take<std::uint64_t>("a frame's length"); break;  // FRAME: a hint for buffered reading
      case '.': root_ = pop(); return true;
      case 'N': push(Kind::none); break;
      case '\x88':
      case '\x89': push(Kind::boolean).integer = opcode == '\x88'; break;
      case 'J': push_integer(take<std::int32_t>("an int")); break;
      case 'K': push_integer(take<std::uint8_t>("an int")); break;
      case 'M': push_integer(take<std::uint16_t>("an int")); break;
      case '\x8a': push_long(take<std::uint8_t>("an int's length")); break;
      case 'G': push_real(take<std::uint64_t>("a float")); break;
      case 'X':
      case 'T': push_text(take<std::uint32_t>("a string's length")); break;
      case '\x8c':
      case 'U': push_text(take<std::uint8_t>("a string's length")); break;
      case '\x8d': push_text(take<std::uint64_t>("a string's length")); break;
      case '(': stack_.push_back(mark); break;
      case ')': push(Kind::tuple); break;
      case ']': push(Kind::list); break;
      case '}': push(Kind::dict); break;
      case '\x85':
      case '\x86':
      case '\x87': push_tuple(static_cast<std::size_t>(static_cast<unsigned char>(opcode) - 0x84)); break;
      case 't': push_marked(Kind::tuple); break;
      case 'l': push_marked(Kind::list); break;
      case 'd': push_marked(Kind::dict); break;
      case 'a': append(Kind::list, {pop()}); break;
      case 'e': append(Kind::list, pop_to_mark()); break;
      case 's': {
        const PickleId value = pop(), key = pop();
        append(Kind::dict, {key, value});
        break;
      }
      case 'u': append(Kind::dict, pop_to_mark()); break;
      case '0': pop(); break;
      case '1': pop_to_mark(); break;
      case 'q': put(take<std::uint8_t>("a memo index")); break;
      case 'r': put(take<std::uint32_t>("a memo index")); break;
      case '\x94': put(memo_.size()); break;
      case 'h': get(take<std::uint8_t>("a memo index")); break;
      case 'j': get(take<std::uint32_t>("a memo index")); break;
      case 'c': {
        const std::string_view module = take_line();
        push_global(module, take_line());
        break;
      }
      case '\x93': {
        const PickleId name = pop(), module = pop();
        if (values_[name].kind != Kind::text || values_[module].kind != Kind::text)
          refuse_here("the name of a callable is no str");
        push_global(values_[module].text, values_[name].text);
        break;
      }
      case 'R': call(); break;
      case 'Q': {
        const PickleId id = pop();
        push(Kind::reference).items = {id};
        break;
      }
      case 'b': {  // BUILD: the attributes of an OrderedDict, which say nothing about the weights
        const PickleId state = pop();
        if (top().kind != Kind::dict || values_[state].kind != Kind::dict)
          refuse_here("sets attributes of ", to_string(top().kind), " to ", to_string(values_[state].kind));
        break;
      }
      default:
        refuse_here("opcode ", static_cast<int>(static_cast<unsigned char>(opcode)),
                    " is not among those that weights need");
    }
    return false;
  }
  void push_text(std::uint64_t length) {
    const std::string_view text = take_text(length);
    push(Kind::text).text = text;
  }
  void push_real(std::uint64_t big_endian) {
    std::uint64_t bits = 0;
    for (int i = 0; i < 8; ++i) bits = (bits << 8) | ((big_endian >> (8 * i)) & 0xff);
    push(Kind::real).real = std::bit_cast<double>(bits);
  }
  void push_marked(Kind kind) {
    std::vector<PickleId> items = pop_to_mark();
    if (kind == Kind::dict && items.size() % 2 != 0) refuse_here("a key without a value");
    push(kind).items = std::move(items);
  }

  /// Refuses values that contain themselves or are nested too deep. Every value is visited once: its depth is known when
  /// all that it contains are done.
  void check_shape() const {
    enum class State : char { fresh, open, done };
    std::vector<State> state(values_.size(), State::fresh);
    std::vector<int> depth(values_.size(), 0);
    std::vector<std::pair<PickleId, std::size_t>> path{{root_, 0}};  // a value, and how many of its items are done
    state[root_] = State::open;
    while (!path.empty()) {
      auto& [id, next] = path.back();
      const PickleValue& value = values_[id];
      if (next == value.items.size()) {
        state[id] = State::done;
        for (const PickleId inner : value.items) depth[id] = std::max(depth[id], depth[inner] + 1);
        if (depth[id] > max_depth) refuse(value, "values nested more than ", max_depth, " deep");
        path.pop_back();
        continue;
      }
      const PickleId inner = value.items[next++];
      if (state[inner] == State::open) refuse(value, "the value contains itself");
      if (state[inner] == State::fresh) {
        state[inner] = State::open;
        path.emplace_back(inner, 0);
      }
    }
  }

  ByteView bytes_;
  const std::vector<std::string_view>& globals_;
  const std::vector<std::string_view>& dicts_;
  std::uint64_t at_ = 0, opcode_at_ = 0;
  std::vector<PickleValue> values_;
  std::vector<PickleId> stack_;
  std::map<std::uint64_t, PickleId> memo_;
  PickleId root_ = 0;
  std::uint64_t copied_ = 0;
};

}  // namespace checkpoint
TINYVISION_END
