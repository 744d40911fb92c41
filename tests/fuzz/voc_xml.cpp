// Annotations of VOC images; boxes are in order.
#include "tinyvision/data/formats/voc_xml.hpp"

#include "fuzz/target.hpp"

FUZZ_TARGET(voc_xml) {
  using namespace tinyvision;
  fuzz::refuses_or_reads([&] {
    for (const data::VocObject& object : data::read_voc_xml(input, fuzz::path).objects)
      check(object.left <= object.right && object.top <= object.bottom, "fuzz", "a box is turned over");
  });
}
