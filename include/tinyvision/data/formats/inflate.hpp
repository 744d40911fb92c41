// Decompression (RFC 1950 to 1952) that never takes more memory than it was allowed.
#pragma once

#include <zlib.h>

#include <algorithm>
#include <limits>
#include <string>
#include <string_view>

#include "tinyvision/core/error.hpp"

TINYVISION_BEGIN
namespace data {

/// How the compressed bytes are wrapped.
enum class Deflated { raw, zlib, gzip };

namespace detail {

/// zlib's state, released whatever happens.
class InflateStream {
 public:
  explicit InflateStream(Deflated kind) {
    const int window = kind == Deflated::raw ? -MAX_WBITS : kind == Deflated::zlib ? MAX_WBITS : MAX_WBITS + 16;
    check(::inflateInit2(&stream_, window) == Z_OK, "inflate", "zlib cannot start");
  }
  ~InflateStream() { ::inflateEnd(&stream_); }
  InflateStream(const InflateStream&) = delete;
  InflateStream& operator=(const InflateStream&) = delete;
  z_stream& get() { return stream_; }

 private:
  z_stream stream_{};
};

}  // namespace detail

/// The decompressed bytes, at most `limit` of them. Memory grows with what is really there, never with what a header
/// claims. `where` begins messages. Throws UsageError when the data are damaged, end early, or hold more than `limit`
/// bytes. What follows the end of the stream is ignored.
inline std::string inflate(std::string_view bytes, Deflated kind, std::size_t limit, std::string_view where) {
  constexpr std::size_t piece = 1 << 16;
  detail::InflateStream owner(kind);
  z_stream& stream = owner.get();
  std::string out;
  std::size_t used = 0;
  for (int code = Z_OK; code != Z_STREAM_END;) {
    if (stream.avail_in == 0 && used < bytes.size()) {
      const std::size_t take = std::min<std::size_t>(bytes.size() - used, std::numeric_limits<uInt>::max());
      stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(bytes.data() + used));
      stream.avail_in = static_cast<uInt>(take);
      used += take;
    }
    const std::size_t had = out.size();
    // One byte more than allowed tells "just full" from "too much".
    out.resize(had + std::min(piece, limit + 1 - had));
    stream.next_out = reinterpret_cast<Bytef*>(out.data() + had);
    stream.avail_out = static_cast<uInt>(out.size() - had);
    code = ::inflate(&stream, Z_NO_FLUSH);
    out.resize(out.size() - stream.avail_out);
    if (out.size() > limit) fail_usage("inflate", where, ": the compressed data hold more than ", limit, " bytes");
    if (code != Z_OK && code != Z_STREAM_END && code != Z_BUF_ERROR)
      fail_usage("inflate", where,
                 ": the compressed data are damaged: ", stream.msg != nullptr ? stream.msg : "no reason given");
    if (code != Z_STREAM_END && stream.avail_in == 0 && used == bytes.size() && out.size() == had)
      fail_usage("inflate", where, ": the compressed data end early");
  }
  return out;
}

}  // namespace data
TINYVISION_END
