// How the figures of a transfer study look: colours and shapes by family of networks, colours by data set.
#pragma once

#include <array>
#include <cctype>
#include <string>
#include <string_view>
#include <vector>

#include "tinyvision/report/plot.hpp"
#include "tinyvision/report/study_analysis.hpp"

TINYVISION_BEGIN
namespace report {

enum class Family { inception, resnet, densenet, mobilenet, nasnet, other };

constexpr const char* to_string(Family family) {
  constexpr const char* names[] = {"Inception", "ResNet", "DenseNet", "MobileNet", "NASNet", "other"};
  return names[static_cast<std::size_t>(family)];
}

/// The family in a network's name, whichever way it is written; Inception-ResNet is an Inception.
inline Family family_of(std::string_view network) {
  std::string lower;
  for (const char c : network) lower += static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  for (const auto& [word, family] : {std::pair("inception", Family::inception), std::pair("densenet", Family::densenet),
                                     std::pair("mobilenet", Family::mobilenet), std::pair("nasnet", Family::nasnet),
                                     std::pair("resnet", Family::resnet)})
    if (lower.find(word) != std::string::npos) return family;
  return Family::other;
}

/// Colours that stay apart for the common kinds of colour blindness (after Okabe and Ito); green is left for the networks
/// that tie with the best, blue for regression lines.
inline Mark family_mark(Family family, double size = 1) {
  switch (family) {
    case Family::inception: return {"#d55e00", MarkShape::circle, size};
    case Family::resnet: return {"#333333", MarkShape::square, size};
    case Family::densenet: return {"#56b4e9", MarkShape::triangle, size};
    case Family::mobilenet: return {"#e69f00", MarkShape::diamond, size};
    case Family::nasnet: return {"#8b4fa3", MarkShape::triangle_down, size};
    default: return {"#8c6d5a", MarkShape::pentagon, size};
  }
}

inline constexpr const char* regression_colour = "#0060a8";
inline constexpr const char* band_colour = "#c6ddf0";
inline constexpr const char* tie_colour = "#00b050";

/// Twelve colours, one for each data set of the paper; then they come again.
inline std::string dataset_colour(std::size_t dataset) {
  static constexpr std::array<std::string_view, 12> colours{"#1f77b4", "#ff7f0e", "#2ca02c", "#d62728",
                                                            "#9467bd", "#8c564b", "#e377c2", "#7f7f7f",
                                                            "#bcbd22", "#17becf", "#000000", "#9edae5"};
  return std::string(colours[dataset % colours.size()]);
}

inline std::string setting_colour(std::size_t setting) {
  static constexpr std::array<std::string_view, 5> colours{"#9ecae1", "#4292c6", "#c7c7c7", "#fdae6b", "#c7e9c0"};
  return std::string(colours[setting % colours.size()]);
}

/// What a reader calls a setting: "linear_probe" is "logistic regression".
inline std::string setting_title(std::string_view name) {
  if (name == "linear_probe") return "logistic regression";
  if (name == "fine_tuned") return "fine-tuned";
  if (name == "random_init") return "random initialisation";
  return std::string(name);
}

/// The same at the beginning of a line.
inline std::string setting_heading(std::string_view name) {
  std::string title = setting_title(name);
  if (!title.empty()) title[0] = static_cast<char>(std::toupper(static_cast<unsigned char>(title[0])));
  return title;
}

/// A drawn figure, ready to stand in the page.
struct StudyFigure {
  std::string name;  ///< of its files: figure_2
  std::string title, caption;
  std::string svg{};  ///< the file's text
};

/// A figure that is still to be drawn.
struct FigurePlan {
  StudyFigure figure;
  PlotPage page;
};

namespace detail {

inline LegendEntry heading(std::string text) { return {LegendEntry::Kind::heading, std::move(text)}; }

/// The families that the study has; in one colour where colour means something else.
inline void add_family_legend(PlotPage& page, const TransferStudy& study, const char* colour = nullptr) {
  page.legend.push_back(heading("networks"));
  for (int f = 0; f <= static_cast<int>(Family::other); ++f) {
    const auto family = static_cast<Family>(f);
    bool present = false;
    for (const std::string& network : study.networks) present = present || family_of(network) == family;
    if (!present) continue;
    Mark mark = family_mark(family);
    if (colour) mark.colour = colour;
    page.legend.push_back({LegendEntry::Kind::mark, to_string(family), mark});
  }
}

inline void add_dataset_legend(PlotPage& page, const TransferStudy& study) {
  page.legend.push_back(heading("data sets"));
  for (std::size_t d = 0; d < study.datasets.size(); ++d)
    page.legend.push_back({LegendEntry::Kind::mark, study.datasets[d], {dataset_colour(d), MarkShape::circle, 1}});
}

inline std::string two_decimals(const char* name, double r) { return name + with_minus(format_fixed(r, 2)); }

}  // namespace detail
}  // namespace report
TINYVISION_END
