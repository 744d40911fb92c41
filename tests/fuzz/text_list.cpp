// The lists and label files of every published data set: each reader finds the input in the place of each of its files.
#include "fuzz/target.hpp"
#include "tinyvision/data/datasets/registry.hpp"

namespace {

using namespace tinyvision;

/// A source in which every file is there and has the same bytes.
class OneText : public data::FileSource {
 public:
  explicit OneText(std::string_view text) : text_(text) {}
  const std::vector<std::string>& names() const override { return names_; }
  bool contains(const std::string&) const override { return true; }
  std::string read(const std::string&) const override { return std::string(text_); }
  std::string describe(const std::string& name) const override { return std::string(fuzz::path) + ": " + name; }
  Index size(const std::string&) const override { return static_cast<Index>(text_.size()); }

 private:
  std::string_view text_;
  std::vector<std::string> names_{"101_ObjectCategories/a/image_0001.jpg", "train/n00000001/a.JPEG"};
};

}  // namespace

FUZZ_TARGET(text_list) {
  const auto source = std::make_shared<OneText>(input);
  for (const data::DatasetEntry& entry : data::dataset_registry())
    fuzz::refuses_or_reads([&] {
      const data::OfficialData data = entry.read(source, {.allow_partial = true});
      for (const std::vector<Index>* part : {&data.split.train, &data.split.validation, &data.split.test})
        for (const Index i : *part) {
          const std::int64_t label = data.dataset->label(i);
          check(label >= 0 && label < data.dataset->classes(), "fuzz", "a label out of range");
        }
    });
}
