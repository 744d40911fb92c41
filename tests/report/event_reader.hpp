// Reads TensorBoard's event files for tests: framing, checksums and messages, by nothing of the writer's code.
#pragma once

#include <gtest/gtest.h>

#include <cstring>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "tinyvision/checkpoint/protobuf.hpp"
#include "tinyvision/core/files.hpp"

namespace event_reader {

/// CRC-32C bit by bit, from the polynomial's definition, and the mask: nothing of core/crc32c.hpp.
inline std::uint32_t slow_masked_crc(const std::string& bytes) {
  std::uint32_t remainder = 0xffffffffu;
  for (const char c : bytes)
    for (int bit = 0; bit < 8; ++bit) {
      const bool odd = ((remainder ^ (static_cast<unsigned char>(c) >> bit)) & 1u) != 0;
      remainder = (remainder >> 1) ^ (odd ? 0x82f63b78u : 0u);
    }
  const std::uint32_t crc = ~remainder;
  return ((crc >> 15) | (crc << 17)) + 0xa282ead8u;
}

struct Event {
  double wall_time = 0;
  tinyvision::Index step = 0;
  std::string version{}, tag{}, png{};
  float scalar = 0;
  tinyvision::Index height = 0, width = 0, channels = 0, session = 0;
  std::vector<double> histogram{}, limits{}, counts{};
};

inline double as_double(std::uint64_t bits) {
  double value;
  std::memcpy(&value, &bits, sizeof value);
  return value;
}

inline void read_value(tinyvision::checkpoint::ProtobufMessage value, Event& event) {
  while (value.next()) {
    if (value.field() == 1) event.tag = value.bytes();
    if (value.field() == 2) {
      const std::uint32_t bits = value.fixed32();
      std::memcpy(&event.scalar, &bits, sizeof bits);
    }
    if (value.field() != 4 && value.field() != 5) continue;
    const bool image = value.field() == 4;
    auto inner = value.message();
    while (inner.next()) {
      if (image && inner.field() == 1) event.height = inner.int64();
      if (image && inner.field() == 2) event.width = inner.int64();
      if (image && inner.field() == 3) event.channels = inner.int64();
      if (image && inner.field() == 4) event.png = inner.bytes();
      if (!image && inner.field() <= 5) event.histogram.push_back(as_double(inner.fixed64()));
      if (!image && inner.field() == 6) inner.append_fixed(event.limits);
      if (!image && inner.field() == 7) inner.append_fixed(event.counts);
    }
  }
}

/// A reader of its own: framing, checksums and messages.
inline std::vector<Event> read_events(const std::string& path) {
  const std::string bytes = tinyvision::read_file(path);
  std::vector<Event> events;
  for (std::size_t at = 0; at < bytes.size();) {
    std::uint64_t length = 0;
    std::uint32_t of_length = 0, of_body = 0;
    if (bytes.size() - at < 16) throw tinyvision::Error("cut off");
    std::memcpy(&length, bytes.data() + at, 8);
    std::memcpy(&of_length, bytes.data() + at + 8, 4);
    if (bytes.size() - at - 16 < length) throw tinyvision::Error("cut off");
    const std::string body = bytes.substr(at + 12, length);
    std::memcpy(&of_body, bytes.data() + at + 12 + length, 4);
    EXPECT_EQ(of_length, slow_masked_crc(bytes.substr(at, 8))) << "at byte " << at;
    EXPECT_EQ(of_body, slow_masked_crc(body)) << "at byte " << at;
    Event event;
    tinyvision::checkpoint::ProtobufMessage message("test", path, body, at + 12);
    while (message.next()) {
      if (message.field() == 1) event.wall_time = as_double(message.fixed64());
      if (message.field() == 2) event.step = message.int64();
      if (message.field() == 3) event.version = message.bytes();
      if (message.field() == 5)
        for (auto summary = message.message(); summary.next();)
          if (summary.field() == 1) read_value(summary.message(), event);
      if (message.field() == 7)
        for (auto session = message.message(); session.next();)
          if (session.field() == 1) event.session = session.int64();
    }
    events.push_back(event);
    at += 16 + length;
  }
  return events;
}

/// What TensorBoard shows of the scalars: for each tag steps and values. A session that starts at step s makes what was written
/// before it for s and later steps void (tensorboard/backend/event_processing/event_accumulator.py).
inline std::map<std::string, std::vector<std::pair<tinyvision::Index, float>>> shown_scalars(
    const std::vector<Event>& events) {
  std::map<std::string, std::vector<std::pair<tinyvision::Index, float>>> shown;
  for (const Event& event : events) {
    if (event.session == 1)
      for (auto& [tag, values] : shown)
        std::erase_if(values, [&](const auto& value) { return value.first >= event.step; });
    if (!event.tag.empty() && event.png.empty() && event.histogram.empty())
      shown[event.tag].emplace_back(event.step, event.scalar);
  }
  return shown;
}

}  // namespace event_reader
