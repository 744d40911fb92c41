#include "tinyvision/report/run_report.hpp"

#include <gtest/gtest.h>

// Beside the framework's own private copy: a program that uses stb_image_write itself must still build.
#define STB_IMAGE_WRITE_IMPLEMENTATION
#define STB_IMAGE_WRITE_STATIC
#include <stb/stb_image_write.h>
#define STB_IMAGE_IMPLEMENTATION
#define STB_IMAGE_STATIC
#define STBI_ONLY_PNG
#include <stb/stb_image.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <numeric>
#include <string>
#include <vector>

namespace tv = tinyvision;
namespace report = tinyvision::report;
namespace stats = tinyvision::stats;
using tv::Index;

namespace run_report_test {

std::size_t count(const std::string& text, const std::string& part) {
  std::size_t n = 0;
  for (std::size_t at = text.find(part); at != std::string::npos; at = text.find(part, at + 1)) ++n;
  return n;
}

unsigned big_endian(const std::string& bytes, std::size_t at) {
  unsigned value = 0;
  for (std::size_t i = 0; i < 4; ++i) value = (value << 8) | static_cast<unsigned char>(bytes[at + i]);
  return value;
}

tv::Tensor image(Index height, Index width, Index channels) {
  std::vector<std::uint8_t> pixels(static_cast<std::size_t>(height * width * channels));
  for (std::size_t i = 0; i < pixels.size(); ++i) pixels[i] = static_cast<std::uint8_t>((i * 37) % 251);
  return tv::Tensor::from_vector({height, width, channels}, pixels);
}

TEST(Png, HeaderHoldsSizeAndColourType) {
  const std::string png = report::encode_png(image(5, 7, 3));
  EXPECT_EQ(png.substr(0, 8), "\x89PNG\r\n\x1a\n");
  EXPECT_EQ(png.substr(12, 4), "IHDR");
  EXPECT_EQ(big_endian(png, 16), 7u);
  EXPECT_EQ(big_endian(png, 20), 5u);
  EXPECT_EQ(png[24], 8);
  EXPECT_EQ(png[25], 2);                                 // RGB
  EXPECT_EQ(report::encode_png(image(5, 7, 1))[25], 0);  // grey
  EXPECT_EQ(png.substr(png.size() - 8, 4), "IEND");
  EXPECT_EQ(png, report::encode_png(image(5, 7, 3)));
  EXPECT_EQ(report::encode_png(image(5, 7, 1)), report::encode_png(image(5, 7, 1).reshape({5, 7})));
}

TEST(Png, ChannelSliceIsWrittenPacked) {
  const tv::Tensor wide = image(4, 6, 5);
  const tv::Tensor slice = wide.slice_channels(1, 3);
  EXPECT_EQ(report::encode_png(slice), report::encode_png(slice.clone()));
}

TEST(Png, DecodesToTheSamePixels) {
  for (const Index channels : {1, 3}) {
    const tv::Tensor source = image(33, 47, channels);
    const std::string png = report::encode_png(source);
    int width = 0, height = 0, components = 0;
    stbi_uc* pixels = stbi_load_from_memory(reinterpret_cast<const stbi_uc*>(png.data()), static_cast<int>(png.size()),
                                            &width, &height, &components, 0);
    ASSERT_NE(pixels, nullptr);
    EXPECT_EQ(components, channels);
    ASSERT_EQ(width * height * components, source.count());
    EXPECT_EQ(std::vector<std::uint8_t>(pixels, pixels + source.count()), source.to_vector<std::uint8_t>());
    stbi_image_free(pixels);
  }
}

TEST(Png, RefusesOtherImages) {
  EXPECT_THROW(report::encode_png(tv::Tensor()), tv::Error);
  EXPECT_THROW(report::encode_png(tv::Tensor::zeros({4, 4, 3})), tv::Error);
  EXPECT_THROW(report::encode_png(tv::Tensor::zeros({4, 4, 2}, tv::DType::u8)), tv::Error);
  EXPECT_THROW(report::encode_png(tv::Tensor::zeros({0, 4, 3}, tv::DType::u8)), tv::Error);
  EXPECT_THROW(report::encode_png(tv::Tensor::zeros({1, 4, 4, 3}, tv::DType::u8)), tv::Error);
}

TEST(Gallery, ThumbnailIsTheRoundedMeanOfBlocks) {
  const tv::Tensor source = tv::Tensor::from_vector<std::uint8_t>({3, 3, 1}, {0, 1, 10, 2, 4, 20, 100, 101, 255});
  const tv::Tensor small = report::thumbnail(source, 2);
  EXPECT_EQ(small.shape(), (tv::Shape{2, 2, 1}));
  EXPECT_EQ(small.to_vector<std::uint8_t>(), (std::vector<std::uint8_t>{2, 15, 101, 255}));  // 7/4, 30/2, 201/2, 255
  EXPECT_TRUE(report::thumbnail(source, 3).same_storage(source));
  EXPECT_EQ(report::thumbnail(image(500, 333, 3), 160).shape(), (tv::Shape{125, 84, 3}));
  const tv::Tensor slice = image(8, 8, 5).slice_channels(2, 3);
  EXPECT_EQ(report::thumbnail(slice, 4).to_vector<std::uint8_t>(),
            report::thumbnail(slice.clone(), 4).to_vector<std::uint8_t>());
}

TEST(Gallery, TilesNameTruthPredictionAndProbability) {
  const std::string text =
      report::html_gallery({{image(28, 28, 1), "Shirt", "Coat <x>", 0.873}, {image(200, 100, 3), "Bag", "Bag", 1}});
  EXPECT_NE(text.find("Shirt → <b class=\"wrong\">✗\u00A0Coat &lt;x&gt;</b>, 87.3\u00A0%"), std::string::npos) << text;
  EXPECT_NE(text.find("Bag → ✓\u00A0Bag, 100.0\u00A0%"), std::string::npos);
  EXPECT_EQ(count(text, "src=\"data:image/png;base64,iVBORw0KGgo"), 2u);
  EXPECT_EQ(count(text, "class=\"pixels\""), 1u);
  EXPECT_THROW(report::html_gallery({report::GalleryTile{}}), tv::Error);
}

TEST(Html, TablesEscapeAndCountTheirCells) {
  report::Table table{{{"name"}, {"value", true}}, {{"<b>", "1"}}};
  const std::string text = report::html(table);
  EXPECT_NE(text.find("<td>&lt;b&gt;</td><td class=\"number\">1</td>"), std::string::npos);
  table.rows.push_back({"only one"});
  EXPECT_THROW(report::html(table), tv::Error);
}

TEST(Confusions, ManyClassesListTheMostFrequent) {
  stats::ConfusionMatrix confusion(30);
  std::vector<std::string> names;
  for (Index c = 0; c < 30; ++c) confusion.add(c, c, 5), names.push_back("class " + std::to_string(c));
  confusion.add(3, 4, 2);
  confusion.add(7, 1, 15);
  confusion.add(2, 9, 2);
  const auto pairs = report::most_frequent_confusions(confusion, 2);
  ASSERT_EQ(pairs.size(), 2u);
  EXPECT_EQ(pairs[0].truth, 7);
  EXPECT_EQ(pairs[1].truth, 2);  // equal counts keep the order of the classes
  const std::string text = report::html(confusion, names);
  EXPECT_NE(text.find("<td>class 7</td><td>class 1</td><td class=\"number\">15</td><td class=\"number\">75.0"),
            std::string::npos);
  names.pop_back();
  EXPECT_THROW(report::html(confusion, names), tv::Error);
}

report::RunReport example() {
  report::RunReport run;
  run.title = "A run <1>";
  run.accuracy = {report::accuracy_row("linear probe", stats::Accuracy{4517, 5000}),
                  report::accuracy_row("fine-tuned", stats::MeanPerClass{0.91, 5, 1})};
  run.comparisons = {{"linear probe", "fine-tuned", stats::mcnemar(3, 9)}};
  report::LineChart chart;
  chart.series.push_back({.name = "loss", .x = {0, 1}, .y = {2, 1}});
  run.curves = {{chart, "The loss."}};
  run.galleries = {{"Mistakes", "", {{image(28, 28, 1), "a", "b", 0.5}}}};
  run.per_class = {{"linear probe"}, {"a", "b"}, {{{1, 2}}, {{0, 0}}}};
  run.confusions = {{"Confusions", {"a", "b"}, stats::ConfusionMatrix(2)}};
  run.configuration = {{"seed", "1"}};
  run.digests = {{"weights", "00ff"}};
  return run;
}

TEST(RunReport, HoldsEveryPartAndLoadsNothing) {
  const std::string text = report::html(example());
  for (const char* part :
       {"A run &lt;1&gt;", "90.34\u00A0%", "89.49 to 91.13\u00A0%", "4517 of 5000", "1 without examples left out",
        ">0.146<", ">0.092<", "The loss.", "Mistakes", "Accuracy per class", "Confusions", "seed", "00ff"})
    EXPECT_NE(text.find(part), std::string::npos) << part;
  for (const char* forbidden : {"<script", "<link", "@import", "url(", "src=\"http", "href=\"http"})
    EXPECT_EQ(text.find(forbidden), std::string::npos) << forbidden;
  for (const char* tag : {"section", "table", "tr", "figure", "svg", "div", "main", "html", "nav"})
    EXPECT_EQ(count(text, "<" + std::string(tag) + ">") + count(text, "<" + std::string(tag) + " "),
              count(text, "</" + std::string(tag) + ">"))
        << tag;
}

TEST(RunReport, EmptyPartsAreLeftOut) {
  report::RunReport run;
  run.title = "Nothing yet";
  EXPECT_EQ(report::html(run).find("<section"), std::string::npos);
}

TEST(RunReport, NamesTheIntervalMethodAndDropsAnEmptyNoteColumn) {
  report::RunReport run;
  run.accuracy = {report::accuracy_row("probe", stats::Accuracy{9, 10})};
  EXPECT_NE(report::html(run).find("Wilson score intervals"), std::string::npos);
  EXPECT_EQ(report::html(run).find("<th>note</th>"), std::string::npos);
  run.interval_method = "Clopper-Pearson";
  run.accuracy[0].interval = stats::clopper_pearson_interval({9, 10});
  run.accuracy[0].note = "of ten";
  const std::string text = report::html(run);
  EXPECT_NE(text.find("Clopper-Pearson intervals"), std::string::npos);
  EXPECT_NE(text.find("55.50 to 99.75\u00A0%"), std::string::npos);  // SciPy: 0.55498, 0.99747
  EXPECT_NE(text.find("<th>note</th>"), std::string::npos);
  EXPECT_THROW(report::accuracy_row("none", stats::Accuracy{}), tv::Error);
}

TEST(RunReport, PartsThatDoNotFitAreRefused) {
  report::RunReport run = example();
  run.per_class.accuracy.pop_back();
  EXPECT_THROW(report::html(run), tv::Error);
  run = example();
  run.per_class.accuracy[1].clear();
  EXPECT_THROW(report::html(run), tv::Error);
}

TEST(RunReport, IsWrittenWholeOrNotAtAll) {
  const auto folder = std::filesystem::path(testing::TempDir()) / "tinyvision_run_report_test";
  std::filesystem::create_directories(folder);
  const std::string path = (folder / "report.html").string();
  report::write_run_report(path, example());
  const auto content = [&] {
    std::ifstream in(path, std::ios::binary);
    return std::string(std::istreambuf_iterator<char>(in), {});
  };
  EXPECT_EQ(content(), report::html(example()));

  report::RunReport broken = example();
  broken.per_class.accuracy.pop_back();
  EXPECT_THROW(report::write_run_report(path, broken), tv::Error);
  EXPECT_EQ(content(), report::html(example()));
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(folder), {}), 1);  // no temporary file left
  std::filesystem::remove_all(folder);

  EXPECT_THROW(report::write_run_report(path, example()), tv::Error);  // the folder is gone
}

}  // namespace run_report_test
