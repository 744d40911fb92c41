// The published data sets by name.
#pragma once

#include <array>

#include "tinyvision/data/datasets/birdsnap.hpp"
#include "tinyvision/data/datasets/caltech101.hpp"
#include "tinyvision/data/datasets/cifar.hpp"
#include "tinyvision/data/datasets/dtd.hpp"
#include "tinyvision/data/datasets/fgvc_aircraft.hpp"
#include "tinyvision/data/datasets/food101.hpp"
#include "tinyvision/data/datasets/imagenet.hpp"
#include "tinyvision/data/datasets/oxford_flowers.hpp"
#include "tinyvision/data/datasets/oxford_pets.hpp"
#include "tinyvision/data/datasets/stanford_cars.hpp"
#include "tinyvision/data/datasets/sun397.hpp"
#include "tinyvision/data/datasets/voc2007.hpp"

TINYVISION_BEGIN
namespace data {

/// What is known of a data set, and its reader.
struct DatasetEntry {
  const DatasetInfo* info;
  OfficialData (*read)(std::shared_ptr<const FileSource>, const ReadOptions&);
};

/// The twelve of the paper in the order of its Table 1, then ImageNet.
inline std::span<const DatasetEntry> dataset_registry() {
  static const std::array<DatasetEntry, 13> entries{{{&food101_info, &read_food101},
                                                     {&cifar10_info, &read_cifar10},
                                                     {&cifar100_info, &read_cifar100},
                                                     {&birdsnap_info, &read_birdsnap},
                                                     {&sun397_info, &read_sun397},
                                                     {&stanford_cars_info, &read_stanford_cars},
                                                     {&fgvc_aircraft_info, &read_fgvc_aircraft},
                                                     {&voc2007_info, &read_voc2007},
                                                     {&dtd_info, &read_dtd},
                                                     {&oxford_pets_info, &read_oxford_pets},
                                                     {&caltech101_info, &read_caltech101},
                                                     {&oxford_flowers_info, &read_oxford_flowers},
                                                     {&imagenet_info, &read_imagenet}}};
  return entries;
}

/// The entry of that name, or nullptr.
inline const DatasetEntry* find_dataset(std::string_view name) {
  for (const DatasetEntry& entry : dataset_registry())
    if (entry.info->name == name) return &entry;
  return nullptr;
}

}  // namespace data
TINYVISION_END
