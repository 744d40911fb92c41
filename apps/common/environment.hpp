// What a result depends on beside its inputs.
#pragma once

#include <nlohmann/json.hpp>
#include <string>

#include "tinyvision/core/dtype.hpp"

namespace tv_app {

/// The processor's name as the kernel reports it; "unknown" where it does not.
std::string cpu_model();

/// The GPU in use as its maker calls it; empty on the CPU.
std::string gpu_name();

/// What networks of `dtype` compute in.
const char* arithmetic(tinyvision::DType dtype);

/// What the vendor's libraries add to arithmetic_mode(), with a space before it; empty where they are not in use.
std::string vendor_mode();

/// `vendor` of results.json: versions, the plans' digest, whether they were being timed, and where own kernels stood in and
/// why. Null where the libraries are not in use.
nlohmann::ordered_json vendor_environment();

/// Arithmetic, kernels, instruction set and GPU in one text, e.g. "f32 own avx2": with equal inputs, runs of equal mode give
/// equal bytes. Part of the key of cached features.
std::string arithmetic_mode(tinyvision::DType dtype = tinyvision::DType::f32);

/// `environment` of results.json. Set `decoder` to what turned files into pixels; null: no image was decoded.
nlohmann::ordered_json environment(tinyvision::DType dtype = tinyvision::DType::f32);

}  // namespace tv_app
