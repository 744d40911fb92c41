// Parts of a run's page that programs share: curves, mistakes, tables of settings.
#pragma once

#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "common/predictions.hpp"
#include "common/results.hpp"
#include "tinyvision/data/decode.hpp"
#include "tinyvision/report/run_report.hpp"

namespace tv_app {

/// The members of an object as rows of a table: lists with commas, objects inside as "name value"; what is empty is "–".
std::vector<tinyvision::report::NameValue> name_values(const Json& object);

/// Values of each step, one curve for each name. Above 400 steps, curves of means over blocks of equal length, at most 400
/// of them; `caption` then says so.
tinyvision::report::CurveFigure step_curves(const std::string& title, const std::string& y_label,
                                            const std::vector<std::pair<std::string, std::vector<double>>>& curves,
                                            std::string caption);

/// The rows that are wrong, most probable first, ties in their order; at most `count`.
std::vector<Prediction> confident_mistakes(const std::vector<Prediction>& rows, std::size_t count);

/// `row` with its image.
tinyvision::report::GalleryTile tile_of(const Prediction& row, const std::vector<std::string>& classes,
                                        const tinyvision::data::Image& image);

}  // namespace tv_app
