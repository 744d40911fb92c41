// A printed statement beside what the published tables give, and when it counts as reproduced.
//
// A printed value counts as reproduced when some value that rounds to it lies in the range that the inputs' rounding leaves.
#pragma once

#include <string>
#include <utility>

#include "tinyvision/report/transfer_study.hpp"

TINYVISION_BEGIN
namespace report {

enum class Verdict { reproduced, not_reproduced, not_computable };

constexpr const char* to_string(Verdict verdict) {
  switch (verdict) {
    case Verdict::reproduced: return "reproduced";
    case Verdict::not_reproduced: return "not reproduced";
    default: return "not computable";
  }
}

/// One statement.
struct Claim {
  std::string place;       ///< where it stands: "Table A.1", "section 4.2"
  std::string statement;   ///< what it says, in our words
  std::string printed;     ///< as printed: "0.97", "< 0.01", "179", "Inception v4, fine-tuned"
  ReachableRange found{};  ///< what the tables give; zeros where nothing can be computed or a name is claimed
  Verdict verdict = Verdict::not_computable;
  std::string reason{};      ///< why not
  std::string found_name{};  ///< of a claimed name
  bool as_printed = false;   ///< reproduced by the printed inputs themselves, not only by others that print alike
};

/// Whether a range of reachable values agrees with a printed one: "0.97" has a value in common with it, "< 1e-11", "<= 0.5"
/// and "> 0.05" are reached by it. Throws UsageError when `printed` is none of these.
inline Verdict judge(const ReachableRange& range, const std::string& printed) {
  const auto verdict = [](bool holds) { return holds ? Verdict::reproduced : Verdict::not_reproduced; };
  if (printed.starts_with("< ")) return verdict(range.low < std::stod(printed.substr(2)));
  if (printed.starts_with("<= ")) return verdict(range.low <= std::stod(printed.substr(3)));
  if (printed.starts_with("> ")) return verdict(range.high > std::stod(printed.substr(2)));
  const PrintedNumber p = parse_printed(printed, "claim");
  const double slack = 1e-6 * p.half_unit;  // of decimal fractions in binary
  return verdict(range.low <= p.high() + slack && range.high >= p.low() - slack);
}

/// A claim of a number, judged.
inline Claim numeric_claim(std::string place, std::string statement, std::string printed, const ReachableRange& found) {
  Claim c{std::move(place), std::move(statement), std::move(printed), found};
  c.verdict = judge(c.found, c.printed);
  c.as_printed = judge({found.value, found.value, found.value}, c.printed) == Verdict::reproduced;
  if (c.verdict == Verdict::not_reproduced)
    c.reason = concat_text("rounded inputs allow ", c.found.low, " to ", c.found.high,
                           ": the paper's inputs were others than the printed ones");
  return c;
}

/// A claim of a name: `found` is the one that the printed numbers give, `possible` whether the claimed one can be it within
/// their rounding.
inline Claim named_claim(std::string place, std::string statement, std::string printed, std::string found,
                         bool possible) {
  Claim c{std::move(place), std::move(statement), std::move(printed)};
  c.as_printed = found == c.printed;
  c.found_name = std::move(found);
  c.verdict = possible ? Verdict::reproduced : Verdict::not_reproduced;
  if (!possible) c.reason = "the printed accuracies give another one, whatever they were before rounding";
  return c;
}

/// The verdict in words that keep apart what the printed inputs give and what others that print alike can give.
inline std::string verdict_text(const Claim& c) {
  const bool only_within = c.verdict == Verdict::reproduced && !c.as_printed;
  return std::string(to_string(c.verdict)) + (only_within ? " within rounding" : "");
}

/// A claim that rests on what was not published.
inline Claim unpublished_claim(std::string place, std::string statement, std::string printed, std::string reason) {
  Claim c{std::move(place), std::move(statement), std::move(printed)};
  c.reason = std::move(reason);
  return c;
}

}  // namespace report
TINYVISION_END
