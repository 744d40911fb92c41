// Downloads from a small server of this test: whole, continued, changed in between, cut short, and not what was asked for.
#include "common/download.hpp"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include <atomic>
#include <csignal>
#include <functional>
#include <mutex>
#include <thread>

#include "data/test_images.hpp"
#include "tinyvision/core/digest.hpp"

namespace download_test {

using namespace tv_app;
using tinyvision::Index;

/// Serves one file at every address, one request at a time.
class Server {
 public:
  std::string body, etag = "\"one\"";
  bool knows_ranges = true;
  std::size_t breaks_after = std::string::npos;  ///< bytes of the body, then the connection ends
  int status = 200;
  std::function<void()> midway{};  ///< called when the header and half of the body are sent

  Server() {
    listener_ = ::socket(AF_INET, SOCK_STREAM, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    if (::bind(listener_, reinterpret_cast<sockaddr*>(&address), size) != 0 || ::listen(listener_, 4) != 0 ||
        ::getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &size) != 0)
      throw std::runtime_error("no server");
    port_ = ntohs(address.sin_port);
    thread_ = std::thread([this] { serve(); });
  }
  ~Server() {
    ::shutdown(listener_, SHUT_RDWR);
    thread_.join();
    ::close(listener_);
  }
  std::string url() const { return "http://127.0.0.1:" + std::to_string(port_) + "/file.bin"; }
  std::vector<std::string> requests() const {
    const std::lock_guard<std::mutex> lock(mutex_);
    return requests_;
  }

 private:
  void serve() {
    for (int client = 0; (client = ::accept(listener_, nullptr, nullptr)) >= 0; ::close(client)) {
      std::string request;
      char buffer[2048];
      while (request.find("\r\n\r\n") == std::string::npos) {
        const ssize_t n = ::recv(client, buffer, sizeof buffer, 0);
        if (n <= 0) break;
        request.append(buffer, static_cast<std::size_t>(n));
      }
      answer(client, request);
    }
  }
  void answer(int client, const std::string& request) {
    {
      const std::lock_guard<std::mutex> lock(mutex_);
      requests_.push_back(request);
    }
    std::size_t first = 0;
    const std::size_t range = request.find("Range: bytes=");
    const std::size_t condition = request.find("If-Range: ");
    const bool same = condition == std::string::npos || request.compare(condition + 10, etag.size(), etag) == 0;
    if (knows_ranges && range != std::string::npos && same) first = std::stoul(request.substr(range + 13));
    std::string head = "HTTP/1.1 " + std::to_string(status) + " OK\r\n";
    std::string content = status == 200 ? body : "";
    if (first > 0 && first >= body.size()) {
      head = "HTTP/1.1 416 Range Not Satisfiable\r\nContent-Range: bytes */" + std::to_string(body.size()) + "\r\n";
      content.clear();
    } else if (first > 0) {
      head = "HTTP/1.1 206 Partial Content\r\nContent-Range: bytes " + std::to_string(first) + "-" +
             std::to_string(body.size() - 1) + "/" + std::to_string(body.size()) + "\r\n";
      content = body.substr(first);
    }
    head += "ETag: " + etag + "\r\nContent-Length: " + std::to_string(content.size()) + "\r\nConnection: close\r\n\r\n";
    content = content.substr(0, breaks_after);
    const std::size_t half = head.size() + content.size() / 2;
    head += content;
    send(client, std::string_view(head).substr(0, half));
    if (midway) midway();
    send(client, std::string_view(head).substr(half));
    ::shutdown(client, SHUT_WR);
  }

  static void send(int client, std::string_view bytes) {
    while (!bytes.empty()) {
      const ssize_t n = ::send(client, bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (n <= 0) break;
      bytes.remove_prefix(static_cast<std::size_t>(n));
    }
  }

  int listener_ = -1;
  std::uint16_t port_ = 0;
  mutable std::mutex mutex_;
  std::vector<std::string> requests_;
  std::thread thread_;
};

class DownloadTest : public ::testing::Test {
 protected:
  DownloadTest() {
    options_.quiet = true;
    server_.body.resize(300'000);
    for (std::size_t i = 0; i < server_.body.size(); ++i) server_.body[i] = static_cast<char>(i * i % 251);
  }
  std::vector<std::string> files() const {
    std::vector<std::string> names;
    for (const auto& entry : std::filesystem::directory_iterator(folder_.path()))
      names.push_back(entry.path().filename());
    std::sort(names.begin(), names.end());
    return names;
  }
  /// The message of the failure.
  std::string failure() {
    try {
      download(server_.url(), path_, options_);
    } catch (const tinyvision::UsageError& error) {
      return error.what();
    }
    return "";
  }
  /// One attempt that ends in the middle.
  void begin() {
    server_.breaks_after = 120'000;
    EXPECT_NE(failure().find("the next call continues"), std::string::npos);
    server_.breaks_after = std::string::npos;
    EXPECT_EQ(files(), (std::vector<std::string>{"file.bin.part", "file.bin.part.etag"}));
  }
  void expect_complete(const Downloaded& result) {
    EXPECT_EQ(tinyvision::read_file(path_), server_.body);
    EXPECT_EQ(result.bytes, static_cast<Index>(server_.body.size()));
    EXPECT_EQ(result.sha256, tinyvision::sha256_hex(server_.body));
    EXPECT_EQ(files(), (std::vector<std::string>{"file.bin"}));
  }

  Server server_;
  test_images::TemporaryFolder folder_;
  std::string path_ = folder_ / "file.bin";
  DownloadOptions options_;
};

TEST_F(DownloadTest, WholeFile) {
  options_.size = static_cast<Index>(server_.body.size());
  options_.sha256_prefix = tinyvision::sha256_hex(server_.body).substr(0, 8);
  const Downloaded result = download(server_.url(), path_, options_);
  expect_complete(result);
  EXPECT_FALSE(result.resumed);
}

TEST_F(DownloadTest, ContinuesWhereItStopped) {
  begin();
  const Downloaded result = download(server_.url(), path_, options_);
  expect_complete(result);
  EXPECT_TRUE(result.resumed);
  EXPECT_NE(server_.requests().back().find("Range: bytes=120000-"), std::string::npos);
  EXPECT_NE(server_.requests().back().find("If-Range: \"one\""), std::string::npos);
}

TEST_F(DownloadTest, BeginsAgainWhenTheFileChanged) {
  begin();
  server_.etag = "\"two\"";
  std::reverse(server_.body.begin(), server_.body.end());
  const Downloaded result = download(server_.url(), path_, options_);
  expect_complete(result);
  EXPECT_FALSE(result.resumed);
}

TEST_F(DownloadTest, BeginsAgainWhereThereAreNoRanges) {
  begin();
  server_.knows_ranges = false;
  expect_complete(download(server_.url(), path_, options_));
}

TEST_F(DownloadTest, APartThatIsTheWholeFileIsEnough) {
  tinyvision::write_file_atomically(path_ + ".part", server_.body);
  expect_complete(download(server_.url(), path_, options_));
}

TEST_F(DownloadTest, RefusesAWebPage) {
  for (const char* page :
       {"<!DOCTYPE html><html><body>moved</body></html>", "\n <HTML>sign in</HTML>", "\xef\xbb\xbf\r\n<!doctype html>",
        "<!-- saved from an archive -->\n<html><p>moved",
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<!-- a -->\n<!DOCTYPE html PUBLIC \"-//W3C//DTD\">"}) {
    server_.body = page;
    EXPECT_NE(failure().find("a web page came instead of a file"), std::string::npos) << page;
    EXPECT_TRUE(files().empty());
  }
}

TEST_F(DownloadTest, TakesWhatOnlyBeginsLikeAPage) {
  for (const char* file : {"<?xml version=\"1.0\"?><annotation/>", "<?xml version=\"1.0\"?>", "html",
                           "<!DOCTYPE annotation>", "\xef\xbb\xbf", "<"}) {
    server_.body = file;
    EXPECT_EQ(failure(), "") << file;
  }
}

TEST_F(DownloadTest, NotesTheVersionBeforeTheFileIsComplete) {
  // Whoever kills the program now finds out later what the part is a part of.
  bool noted = false;
  server_.midway = [&] {
    for (int tries = 0; tries < 1000 && !noted; ++tries) {
      noted = std::filesystem::exists(path_ + ".part.etag");
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
    }
  };
  expect_complete(download(server_.url(), path_, options_));
  EXPECT_TRUE(noted);
}

TEST_F(DownloadTest, AFullDiskIsNamedAndTheNextCallContinues) {
  const auto before = std::signal(SIGXFSZ, SIG_IGN);
  rlimit old{};
  getrlimit(RLIMIT_FSIZE, &old);
  const rlimit small{100'000, old.rlim_max};
  setrlimit(RLIMIT_FSIZE, &small);
  const std::string message = failure();
  setrlimit(RLIMIT_FSIZE, &old);
  std::signal(SIGXFSZ, before);
  EXPECT_NE(message.find("file.bin.part: cannot be written: File too large; what came is kept"), std::string::npos)
      << message;
  EXPECT_EQ(files(), (std::vector<std::string>{"file.bin.part", "file.bin.part.etag"}));
  const Downloaded result = download(server_.url(), path_, options_);
  expect_complete(result);
  EXPECT_TRUE(result.resumed);
}

TEST_F(DownloadTest, ADiskWithoutRoomIsNamedBeforeAnythingIsMade) {
  options_.size = Index{1} << 60;
  const std::string message = failure();
  EXPECT_NE(message.find("1152921504606846976 bytes are to come, and "), std::string::npos) << message;
  EXPECT_TRUE(files().empty());
  EXPECT_TRUE(server_.requests().empty());
}

TEST_F(DownloadTest, RefusesAnotherFile) {
  options_.sha256_prefix = "0123abcd";
  EXPECT_NE(failure().find("its SHA-256 is " + tinyvision::sha256_hex(server_.body) + ", expected 0123abcd..."),
            std::string::npos);
  EXPECT_TRUE(files().empty());
  options_.sha256_prefix.clear();
  options_.size = 5;
  EXPECT_NE(failure().find("300000 bytes came, 5 were expected"), std::string::npos);
  EXPECT_TRUE(files().empty());
}

TEST_F(DownloadTest, NamesTheAddressThatDoesNotAnswer) {
  server_.status = 404;
  const std::string message = failure();
  EXPECT_NE(message.find(server_.url()), std::string::npos) << message;
  EXPECT_NE(message.find("404"), std::string::npos) << message;
  EXPECT_TRUE(files().empty());
  EXPECT_THROW(download("ftp://127.0.0.1/file", path_, options_), tinyvision::UsageError);
  EXPECT_THROW(download(server_.url(), folder_ / "none/file.bin", options_), tinyvision::UsageError);
}

}  // namespace download_test
