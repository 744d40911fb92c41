// Annotations of PASCAL VOC: what is read, what is refused, and what differs from the lists.
#include "tinyvision/data/formats/voc_xml.hpp"

#include <gtest/gtest.h>

#include "data/test_images.hpp"
#include "tinyvision/data/datasets/voc2007.hpp"

namespace voc_xml_test {

using namespace tinyvision;
using namespace tinyvision::data;

const std::string annotation = R"(<annotation>
  <folder>VOC2007</folder>
  <filename>000007.jpg</filename>
  <source><database>The VOC2007 Database</database></source>
  <size><width>500</width><height>333</height><depth>3</depth></size>
  <segmented>0</segmented>
  <object>
    <name>car</name><pose>Unspecified</pose><truncated>1</truncated><difficult>0</difficult>
    <bndbox><xmin>141</xmin><ymin>50</ymin><xmax>500</xmax><ymax>330</ymax></bndbox>
  </object>
  <object>
    <name>person</name><difficult>1</difficult>
    <bndbox><xmin>1.5</xmin><ymin>2</ymin><xmax>3</xmax><ymax>4</ymax></bndbox>
  </object>
</annotation>
)";

std::string refusal(const std::string& text) {
  return test_images::message_of<UsageError>([&] { read_voc_xml(text, "000007.xml"); });
}
/// The annotation with the first `old` replaced.
std::string changed(const std::string& old, const std::string& by) {
  std::string text = annotation;
  const std::size_t at = text.find(old);
  EXPECT_NE(at, std::string::npos) << old;
  return text.replace(at, old.size(), by);
}
void expect_refused(const std::string& text, const std::string& part) {
  const std::string message = refusal(text);
  EXPECT_TRUE(message.starts_with("[voc] 000007.xml: ")) << message;
  EXPECT_NE(message.find(part), std::string::npos) << "'" << message << "'\n  lacks: " << part;
}

TEST(VocXml, ReadsSizesAndObjects) {
  const VocAnnotation a = read_voc_xml(annotation, "000007.xml");
  EXPECT_EQ(a.folder, "VOC2007");
  EXPECT_EQ(a.filename, "000007.jpg");
  EXPECT_EQ(a.width, 500);
  EXPECT_EQ(a.height, 333);
  EXPECT_EQ(a.depth, 3);
  ASSERT_EQ(a.objects.size(), 2u);
  EXPECT_EQ(a.objects[0].name, "car");
  EXPECT_TRUE(a.objects[0].truncated);
  EXPECT_FALSE(a.objects[0].difficult);
  EXPECT_EQ(a.objects[0].right, 500);
  EXPECT_TRUE(a.objects[1].difficult);
  EXPECT_FALSE(a.objects[1].truncated);  // left out means 0
  EXPECT_EQ(a.objects[1].left, 1.5);
}

TEST(VocXml, RefusesMissingElements) {
  expect_refused("<annotation>", "byte ");
  expect_refused("", "byte 0: ");
  expect_refused("<html></html>", "no <annotation> element");
  expect_refused(changed("<filename>000007.jpg</filename>", ""), "<annotation> at byte 1 has no <filename>");
  expect_refused(changed("<size><width>500</width><height>333</height><depth>3</depth></size>", ""), "has no <size>");
  for (const char* name : {"width", "height", "depth", "xmin", "ymin", "xmax", "ymax"}) {
    std::string text = annotation;
    const std::size_t begin = text.find("<" + std::string(name) + ">"), end = text.find("</" + std::string(name) + ">");
    text.erase(begin, end + std::string(name).size() + 3 - begin);
    expect_refused(text, "has no <" + std::string(name) + ">");
  }
  expect_refused(changed("<name>car</name>", ""), "has no <name>");
  expect_refused(changed("<bndbox><xmin>141</xmin><ymin>50</ymin><xmax>500</xmax><ymax>330</ymax></bndbox>", ""),
                 "object 'car' has no <bndbox>");
}

TEST(VocXml, RefusesBadNumbers) {
  for (const char* bad : {"", "wide", "500x", "-1", "1e7", "nan", "inf", "5 00"})
    expect_refused(changed("<width>500<", "<width>" + std::string(bad) + "<"),
                   "<width> is '" + std::string(bad) + "', a number in 0..1e+06 was expected");
  expect_refused(changed("<depth>3<", "<depth>5<"), "<depth> is '5', a number in 0..4");
  expect_refused(changed("<difficult>0<", "<difficult>2<"), "<difficult> is '2', a number in 0..1");
  expect_refused(changed("<truncated>1<", "<truncated>yes<"), "<truncated> is 'yes'");
  expect_refused(changed("<xmax>500<", "<xmax>140<"), "<xmax> is '140', a number in 141..1e+06");  // left of xmin
  expect_refused(changed("<ymax>330<", "<ymax>49<"), "<ymax> is '49'");
}

TEST(VocXml, RefusesWhatIsTooLargeAndExpandsNothing) {
  const std::string padding(std::size_t{4} << 20, ' ');
  expect_refused(annotation + padding, "bytes are too many for an annotation");
  EXPECT_EQ(refusal(annotation + padding.substr(annotation.size())), "");  // 4 MiB exactly
  const std::string entity = "<!DOCTYPE a [<!ENTITY e \"500\">]>" + changed("<width>500<", "<width>&e;<");
  expect_refused(entity, "<width> is '&e;'");
}

TEST(VocXml, DifferencesFromListsAndImage) {
  const VocAnnotation a = read_voc_xml(annotation, "000007.xml");
  std::array<std::int8_t, 20> lists;
  lists.fill(-1);
  lists[6] = 1;   // car
  lists[14] = 0;  // person: a difficult one alone
  EXPECT_TRUE(differences_from_annotation(a, lists, 333, 500).empty());
  EXPECT_EQ(differences_from_annotation(a, lists, 500, 333),
            std::vector<std::string>{"its size is 500 x 333, the image's 333 x 500"});
  lists[14] = 1;
  EXPECT_EQ(differences_from_annotation(a, lists, 333, 500),
            std::vector<std::string>{"by its objects person is 0, the lists have 1"});
  lists[14] = 0, lists[6] = -1;
  EXPECT_EQ(differences_from_annotation(a, lists, 333, 500),
            std::vector<std::string>{"by its objects car is 1, the lists have -1"});
  lists[6] = 1, lists[0] = 0;
  EXPECT_EQ(differences_from_annotation(a, lists, 333, 500),
            std::vector<std::string>{"by its objects aeroplane is -1, the lists have 0"});
  lists[0] = -1;
  // One that is not difficult among difficult ones counts.
  VocAnnotation more = a;
  more.objects.push_back(a.objects[1]);
  more.objects[1].difficult = false;
  EXPECT_EQ(differences_from_annotation(more, lists, 333, 500),
            std::vector<std::string>{"by its objects person is 1, the lists have 0"});
  more = a;
  more.objects[0].name = "cra";
  EXPECT_EQ(differences_from_annotation(more, lists, 333, 500),
            (std::vector<std::string>{"an object 'cra' of no class", "by its objects car is -1, the lists have 1"}));
}

}  // namespace voc_xml_test
