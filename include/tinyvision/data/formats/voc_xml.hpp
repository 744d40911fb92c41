// Annotations of PASCAL VOC images (Everingham et al., "The PASCAL Visual Object Classes Challenge 2007", development kit,
// section 6), through pugixml.
#pragma once

#include <cmath>
#include <pugixml.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "tinyvision/core/error.hpp"

TINYVISION_BEGIN
namespace data {

/// One object of an image. The box is in pixels, counted from 1, its ends included, as in the files.
struct VocObject {
  std::string name, pose;
  bool truncated = false, difficult = false;
  double left = 0, top = 0, right = 0, bottom = 0;
};

struct VocAnnotation {
  std::string folder, filename;
  Index width = 0, height = 0, depth = 0;  ///< pixels, and channels
  std::vector<VocObject> objects;
};

namespace detail {

/// Text of a child that has to be there.
inline std::string voc_text(const pugi::xml_node& node, const char* name, std::string_view where) {
  const pugi::xml_node child = node.child(name);
  if (!child) fail_usage("voc", where, ": <", node.name(), "> at byte ", node.offset_debug(), " has no <", name, ">");
  return child.text().get();
}

inline double voc_number(const pugi::xml_node& node, const char* name, std::string_view where, double low,
                         double high) {
  const std::string text = voc_text(node, name, where);
  std::size_t used = 0;
  double value = 0;
  try {
    value = std::stod(text, &used);
  } catch (const std::exception&) {
    used = 0;
  }
  if (used == 0 || text.find_first_not_of(" \t\r\n", used) != std::string::npos || !(value >= low && value <= high))
    fail_usage("voc", where, ": <", name, "> is '", text.substr(0, 40), "', a number in ", low, "..", high,
               " was expected");
  return value;
}

/// 0 or 1; the flag is left out in some files, which means 0.
inline bool voc_flag(const pugi::xml_node& node, const char* name, std::string_view where) {
  return node.child(name) && voc_number(node, name, where, 0, 1) != 0;
}

}  // namespace detail

/// Parses an annotation. Entities and document types are not expanded. `where` (its path) begins messages. Throws UsageError
/// for what is no XML, is larger than 4 MiB, lacks an element or has numbers out of range.
inline VocAnnotation read_voc_xml(std::string_view text, std::string_view where) {
  constexpr std::size_t largest = 4 << 20;
  constexpr double longest_side = 1e6;
  if (text.size() > largest) fail_usage("voc", where, ": ", text.size(), " bytes are too many for an annotation");
  pugi::xml_document document;
  const pugi::xml_parse_result parsed = document.load_buffer(
      text.data(), text.size(), pugi::parse_default | pugi::parse_trim_pcdata, pugi::encoding_utf8);
  if (!parsed) fail_usage("voc", where, ": byte ", parsed.offset, ": ", parsed.description());
  const pugi::xml_node root = document.child("annotation");
  if (!root) fail_usage("voc", where, ": no <annotation> element");
  VocAnnotation annotation;
  annotation.folder = root.child("folder").text().get();
  annotation.filename = detail::voc_text(root, "filename", where);
  const pugi::xml_node size = root.child("size");
  if (!size) fail_usage("voc", where, ": <annotation> has no <size>");
  annotation.width = std::lround(detail::voc_number(size, "width", where, 0, longest_side));
  annotation.height = std::lround(detail::voc_number(size, "height", where, 0, longest_side));
  annotation.depth = std::lround(detail::voc_number(size, "depth", where, 0, 4));
  for (const pugi::xml_node& node : root.children("object")) {
    VocObject object;
    object.name = detail::voc_text(node, "name", where);
    object.pose = node.child("pose").text().get();
    object.truncated = detail::voc_flag(node, "truncated", where);
    object.difficult = detail::voc_flag(node, "difficult", where);
    const pugi::xml_node box = node.child("bndbox");
    if (!box) fail_usage("voc", where, ": object '", object.name, "' has no <bndbox>");
    object.left = detail::voc_number(box, "xmin", where, 0, longest_side);
    object.top = detail::voc_number(box, "ymin", where, 0, longest_side);
    object.right = detail::voc_number(box, "xmax", where, object.left, longest_side);
    object.bottom = detail::voc_number(box, "ymax", where, object.top, longest_side);
    annotation.objects.push_back(std::move(object));
  }
  return annotation;
}

}  // namespace data
TINYVISION_END
