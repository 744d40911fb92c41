// Parts of a run's page that programs share: curves, mistakes, tables of settings.
#include "common/run_figures.hpp"

#include <algorithm>

namespace tv_app {

using namespace tinyvision;

namespace {

/// A value as it is read: lists with commas, members as "name value", members of members in brackets.
std::string plain_text(const Json& value, bool nested = false) {
  if (value.is_string()) return value.get<std::string>().empty() ? "–" : value.get<std::string>();
  if (value.is_null() || ((value.is_array() || value.is_object()) && value.empty())) return "–";
  if (!value.is_array() && !value.is_object()) return value.dump();
  std::string out;
  const std::string separator = value.is_array() && value.front().is_object() ? "; " : ", ";
  for (const auto& [key, part] : value.items())
    out += (out.empty() ? "" : separator) + (value.is_object() ? key + " " : "") + plain_text(part, value.is_object());
  return nested ? "(" + out + ")" : out;
}

}  // namespace

std::vector<report::NameValue> name_values(const Json& object) {
  std::vector<report::NameValue> rows;
  for (const auto& [key, value] : object.items()) rows.push_back({key, plain_text(value)});
  return rows;
}

report::CurveFigure step_curves(const std::string& title, const std::string& y_label,
                                const std::vector<std::pair<std::string, std::vector<double>>>& curves,
                                std::string caption) {
  constexpr std::size_t most = 400;
  std::size_t longest = 0;
  for (const auto& [name, values] : curves) longest = std::max(longest, values.size());
  const std::size_t block = (longest + most - 1) / most;
  report::CurveFigure figure;
  figure.chart.title = title;
  figure.chart.x_label = "step";
  figure.chart.y_label = y_label;
  for (const auto& [name, values] : curves) {
    report::Series series;
    series.name = name;
    for (std::size_t begin = 0; begin < values.size(); begin += block) {
      const std::size_t end = std::min(values.size(), begin + block);
      double sum = 0;
      for (std::size_t i = begin; i < end; ++i) sum += values[i];
      series.x.push_back(static_cast<double>(begin + end - 1) / 2);
      series.y.push_back(sum / static_cast<double>(end - begin));
    }
    figure.chart.series.push_back(std::move(series));
  }
  if (block > 1) caption += concat_text(" Each point is the mean of ", block, " steps.");
  figure.caption = std::move(caption);
  return figure;
}

std::vector<Prediction> confident_mistakes(const std::vector<Prediction>& rows, std::size_t count) {
  std::vector<Prediction> wrong;
  for (const Prediction& row : rows)
    if (row.prediction != row.label) wrong.push_back(row);
  std::stable_sort(wrong.begin(), wrong.end(),
                   [](const Prediction& a, const Prediction& b) { return a.probability > b.probability; });
  if (wrong.size() > count) wrong.resize(count);
  return wrong;
}

report::GalleryTile tile_of(const Prediction& row, const std::vector<std::string>& classes, const data::Image& image) {
  return {Tensor::from_vector<std::uint8_t>({image.height, image.width, 3}, image.pixels),
          classes.at(static_cast<std::size_t>(row.label)), classes.at(static_cast<std::size_t>(row.prediction)),
          row.probability};
}

}  // namespace tv_app
