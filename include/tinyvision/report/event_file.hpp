// TensorBoard's event files: scalars, images and histograms of a run, without TensorFlow.
//
//   file     records: u64 length, u32 masked CRC-32C of these 8 bytes, the bytes, u32 masked CRC-32C of the bytes;
//            little endian (TFRecord)
//   record   an Event as a protocol buffer; the first one names the version
//
//   Event           1 wall_time (double)  2 step (int64)  3 file_version  5 summary  7 session_log
//   Summary         1 value
//   Summary.Value   1 tag  2 simple_value (float)  4 image  5 histo
//   Summary.Image   1 height  2 width  3 colorspace (1 grey, 3 RGB)  4 encoded_image_string
//   HistogramProto  1 min  2 max  3 num  4 sum  5 sum_squares (double)  6 bucket_limit  7 bucket (packed double)
//   SessionLog      1 status (1 START)
//
// Source: tensorflow/core/util/event.proto, tensorflow/core/framework/summary.proto, tensorflow/core/lib/io/record_writer.h
// of github.com/tensorflow/tensorflow; tensorboard/backend/event_processing/event_accumulator.py of
// github.com/tensorflow/tensorboard for what readers do with them.
#pragma once

#include <unistd.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <limits>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "tinyvision/core/crc32c.hpp"
#include "tinyvision/report/png.hpp"
#include "tinyvision/report/scalar_log.hpp"

TINYVISION_BEGIN
namespace report {

namespace detail {

/// Fields of a protocol buffer, appended.
class MessageWriter {
 public:
  MessageWriter& varint(std::uint32_t field, std::uint64_t value) {
    put_varint(std::uint64_t{field} << 3);
    put_varint(value);
    return *this;
  }
  MessageWriter& float64(std::uint32_t field, double value) {
    put_varint(std::uint64_t{field} << 3 | 1);
    put_fixed(std::bit_cast<std::uint64_t>(value), 8);
    return *this;
  }
  MessageWriter& float32(std::uint32_t field, float value) {
    put_varint(std::uint64_t{field} << 3 | 5);
    put_fixed(std::bit_cast<std::uint32_t>(value), 4);
    return *this;
  }
  MessageWriter& bytes(std::uint32_t field, std::string_view value) {
    put_varint(std::uint64_t{field} << 3 | 2);
    put_varint(value.size());
    out_ += value;
    return *this;
  }
  MessageWriter& message(std::uint32_t field, const MessageWriter& inner) { return bytes(field, inner.out_); }
  MessageWriter& packed(std::uint32_t field, const std::vector<double>& values) {
    MessageWriter inner;
    for (const double v : values) inner.put_fixed(std::bit_cast<std::uint64_t>(v), 8);
    return bytes(field, inner.out_);
  }
  void put_fixed(std::uint64_t value, int count) {
    for (int i = 0; i < count; ++i) out_ += static_cast<char>((value >> (8 * i)) & 0xff);
  }
  void put(std::string_view bytes) { out_ += bytes; }
  const std::string& text() const { return out_; }

 private:
  void put_varint(std::uint64_t value) {
    for (; value >= 0x80; value >>= 7) out_ += static_cast<char>(value | 0x80);
    out_ += static_cast<char>(value);
  }
  std::string out_;
};

/// `bytes` as a TFRecord.
inline std::string framed_record(std::string_view bytes) {
  MessageWriter length, record;
  length.put_fixed(bytes.size(), 8);
  record.put(length.text());
  record.put_fixed(masked_crc32c(crc32c(length.text())), 4);
  record.put(bytes);
  record.put_fixed(masked_crc32c(crc32c(bytes)), 4);
  return record.text();
}

inline std::uint64_t read_fixed(std::string_view bytes, std::size_t at, int count) {
  std::uint64_t value = 0;
  for (int i = 0; i < count; ++i)
    value |= std::uint64_t{static_cast<unsigned char>(bytes[at + static_cast<std::size_t>(i)])} << (8 * i);
  return value;
}

/// How many bytes of an event file are whole records with right checksums. What a killed program leaves is a last record
/// that ends too early; anything else that is wrong means another kind of file, or damage that an append must not hide.
/// Throws UsageError naming path and byte.
inline std::size_t whole_records(const std::string& path, std::string_view bytes) {
  std::size_t at = 0;
  while (bytes.size() - at >= 12) {
    const std::uint64_t length = read_fixed(bytes, at, 8);
    if (read_fixed(bytes, at + 8, 4) != masked_crc32c(crc32c(bytes.substr(at, 8))))
      fail_usage("event_file", path, ": byte ", at, ": no record begins here (the checksum of its length is wrong)");
    if (bytes.size() - at - 12 < length || bytes.size() - at - 12 - length < 4) break;
    const std::string_view body = bytes.substr(at + 12, length);
    if (read_fixed(bytes, at + 12 + length, 4) != masked_crc32c(crc32c(body)))
      fail_usage("event_file", path, ": byte ", at + 12, ": the record's checksum is wrong");
    at += 16 + length;
  }
  return at;
}

}  // namespace detail

/// A histogram of finite values as TensorBoard stores it: bucket i counts the values in (limit[i-1], limit[i]].
struct EventHistogram {
  double min = 0, max = 0, count = 0, sum = 0, sum_squares = 0;
  std::vector<double> limits{}, counts{};
  Index not_finite = 0;  ///< values that were left out
};

/// Buckets of equal width from the smallest to the largest finite value (f64 sums in the order given). Equal values share
/// one bucket; without any finite value there is none. Throws Error on buckets < 1.
inline EventHistogram event_histogram(std::span<const float> values, Index buckets = 30) {
  check(buckets >= 1, "event_histogram", "needs at least one bucket, got ", buckets);
  EventHistogram h;
  bool first = true;
  for (const float value : values) {
    if (!std::isfinite(value)) {
      ++h.not_finite;
      continue;
    }
    const double v = value;
    h.min = first ? v : std::min(h.min, v);
    h.max = first ? v : std::max(h.max, v);
    first = false;
    h.count += 1;
    h.sum += v;
    h.sum_squares += v * v;
  }
  if (first) return h;
  if (h.min == h.max) buckets = 1;
  const double width = (h.max - h.min) / static_cast<double>(buckets);
  for (Index b = 1; b < buckets; ++b) h.limits.push_back(h.min + width * static_cast<double>(b));
  h.limits.push_back(h.max);
  h.counts.assign(static_cast<std::size_t>(buckets), 0);
  for (const float value : values) {
    if (!std::isfinite(value)) continue;
    const auto bucket = std::lower_bound(h.limits.begin(), h.limits.end(), double{value});  // first limit >= value
    h.counts[static_cast<std::size_t>(bucket - h.limits.begin())] += 1;
  }
  return h;
}

/// One event file.
class EventFile final : public ScalarLog {
 public:
  /// Creates `path`, or goes on with it: a last record that is cut off is removed first. TensorBoard finds files whose name
  /// holds "tfevents". Throws UsageError when it cannot be written, or exists and is damaged or no event file.
  explicit EventFile(const std::string& path, WallClock clock = wall_time)
      : file_(path, [&](std::string_view bytes) { return whole_of(path, bytes); }), clock_(std::move(clock)) {
    if (!file_.empty()) return;
    detail::MessageWriter event = begin_event(0, false);
    event.bytes(3, version);
    append(event);
  }

  const std::string& path() const { return file_.path(); }

  /// f32: that is what TensorBoard stores. NaN and infinities are kept; a finite value beyond f32 becomes infinite.
  void scalar(std::string_view tag, Index step, double value) override {
    summary(tag, step, [&](detail::MessageWriter& v) { v.float32(2, to_float(value)); });
  }
  /// `image` [height, width, 3 or 1] or [height, width], u8, stored as PNG. Throws Error on other shapes and types.
  void image(std::string_view tag, Index step, const Tensor& image) {
    detail::MessageWriter picture;
    const std::string png = encode_png(image);
    const Index channels = image.shape().rank() == 3 ? image.dim(2) : 1;
    picture.varint(1, static_cast<std::uint64_t>(image.dim(0))).varint(2, static_cast<std::uint64_t>(image.dim(1)));
    picture.varint(3, static_cast<std::uint64_t>(channels)).bytes(4, png);
    summary(tag, step, [&](detail::MessageWriter& v) { v.message(4, picture); });
  }
  /// See `event_histogram`; returns how many values were not finite and are left out.
  Index histogram(std::string_view tag, Index step, std::span<const float> values, Index buckets = 30) {
    const EventHistogram h = event_histogram(values, buckets);
    detail::MessageWriter histo;
    histo.float64(1, h.min).float64(2, h.max).float64(3, h.count).float64(4, h.sum).float64(5, h.sum_squares);
    histo.packed(6, h.limits).packed(7, h.counts);
    summary(tag, step, [&](detail::MessageWriter& v) { v.message(5, histo); });
    return h.not_finite;
  }
  /// A session begins: TensorBoard forgets events of this step and later ones that stand before it.
  void restart(Index step) override {
    detail::MessageWriter session, event = begin_event(step, true);
    session.varint(1, 1);
    event.message(7, session);
    append(event);
  }
  void flush() override { file_.flush(); }

 private:
  static constexpr std::string_view version = "brain.Event:2";
  static constexpr std::size_t version_event_size = 9 + 2 + version.size();  // wall_time, file_version

  static std::size_t whole_of(const std::string& path, std::string_view bytes) {
    const std::size_t whole = detail::whole_records(path, bytes);
    if (whole == 0) {  // nothing, or the begin of a first record; anything else is not ours to cut off
      const std::string first = detail::framed_record(std::string(version_event_size, '\0')).substr(0, 12);
      if (bytes.substr(0, 12) != std::string_view(first).substr(0, bytes.size()))
        fail_usage("event_file", path, ": exists and is no event file");
    } else if (bytes.substr(12, detail::read_fixed(bytes, 0, 8)).find(version) == std::string_view::npos) {
      fail_usage("event_file", path, ": the first record does not name version ", version);
    }
    return whole;
  }

  static float to_float(double value) {
    if (std::isfinite(value) && std::fabs(value) > std::numeric_limits<float>::max())
      return value > 0 ? std::numeric_limits<float>::infinity() : -std::numeric_limits<float>::infinity();
    return static_cast<float>(value);
  }

  detail::MessageWriter begin_event(Index step, bool with_step) const {
    detail::MessageWriter event;
    event.float64(1, clock_());
    if (with_step) event.varint(2, static_cast<std::uint64_t>(step));
    return event;
  }
  template <class Fill>
  void summary(std::string_view tag, Index step, Fill&& fill) {
    check(!tag.empty(), "event_file", "a value needs a tag");
    detail::MessageWriter value, values, event = begin_event(step, true);
    value.bytes(1, tag);
    fill(value);
    values.message(1, value);
    event.message(5, values);
    append(event);
  }
  void append(const detail::MessageWriter& event) { file_.append(detail::framed_record(event.text())); }

  RecordFile file_;
  WallClock clock_;
};

/// A path below `folder` (created when missing) as TensorFlow names event files:
/// events.out.tfevents.<seconds>.<host>.<process>. Throws UsageError when the folder cannot be made.
inline std::string event_file_path(const std::string& folder, double seconds = wall_time()) {
  ensure_folder(folder);
  char host[256] = "host";
  if (::gethostname(host, sizeof host - 1) != 0) std::snprintf(host, sizeof host, "host");
  host[sizeof host - 1] = '\0';
  char name[384];
  std::snprintf(name, sizeof name, "events.out.tfevents.%010lld.%s.%ld", static_cast<long long>(seconds), host,
                static_cast<long>(::getpid()));
  return (std::filesystem::path(folder) / name).string();
}

/// The log that `path` asks for: CSV for .csv, JSON lines for .jsonl, an event file where the name holds "tfevents", else a
/// new event file in the folder `path`. Throws UsageError when it cannot be opened.
inline std::unique_ptr<ScalarLog> open_scalar_log(const std::string& path, WallClock clock = wall_time) {
  const std::filesystem::path name(path);
  if (name.extension() == ".csv") return std::make_unique<CsvLog>(path, std::move(clock));
  if (name.extension() == ".jsonl") return std::make_unique<JsonLinesLog>(path, std::move(clock));
  if (name.filename().string().find("tfevents") != std::string::npos)
    return std::make_unique<EventFile>(path, std::move(clock));
  return std::make_unique<EventFile>(event_file_path(path), std::move(clock));
}

}  // namespace report
TINYVISION_END
