// Archives as sources of files: read in place, unpacked once, and refused.
#include <gtest/gtest.h>
#include <sys/resource.h>

#include <csignal>
#include <thread>

#include "data/test_images.hpp"
#include "tinyvision/data/archive_source.hpp"
#include "tinyvision/data/tiny/tiny_files.hpp"
#include "tinyvision/data/tiny/tiny_images.hpp"

namespace archive_test {

using namespace tinyvision;
using namespace tinyvision::data;
using namespace test_images;
namespace fs = std::filesystem;

using Files = std::map<std::string, std::string>;
const Files some_files{{"a/b.txt", "text of b"}, {"a/c/long", std::string(5000, 'x')}, {"empty", ""}};

void expect_files(const FileSource& source, const Files& files) {
  std::vector<std::string> names;
  for (const auto& [name, bytes] : files) {
    names.push_back(name);
    EXPECT_TRUE(source.contains(name));
    EXPECT_EQ(source.read(name), bytes) << name;
    EXPECT_EQ(source.size(name), static_cast<Index>(bytes.size())) << name;
  }
  EXPECT_EQ(source.names(), names);
  EXPECT_FALSE(source.contains("a"));
  EXPECT_FALSE(source.contains("none"));
  EXPECT_NE(message_of<UsageError>([&] { source.read("none"); }).find("none"), std::string::npos);
}

/// One member: header with its checksum, bytes, padding.
std::string tar_member(const std::string& name, const std::string& bytes, char type = '0', const std::string& link = "",
                       std::string size = "") {
  std::string header(512, '\0');
  const auto put = [&](std::size_t at, const std::string& text) { header.replace(at, text.size(), text); };
  char octal[13];
  std::snprintf(octal, sizeof octal, "%011llo", static_cast<unsigned long long>(bytes.size()));
  put(0, name), put(100, "0000644"), put(124, size.empty() ? std::string(octal) : size), put(148, "        ");
  header[156] = type;
  put(157, link), put(257, std::string("ustar\00000", 8));
  unsigned sum = 0;
  for (const char c : header) sum += static_cast<unsigned char>(c);
  std::snprintf(octal, sizeof octal, "%06o", sum);
  put(148, std::string(octal) + '\0' + ' ');
  return header + bytes + std::string((512 - bytes.size() % 512) % 512, '\0');
}
std::string pax(const std::string& key, const std::string& value) {
  const std::string rest = " " + key + "=" + value + "\n";
  std::size_t length = rest.size() + 1;
  while (std::to_string(length).size() + rest.size() != length) ++length;
  return tar_member("PaxHeader", std::to_string(length) + rest, 'x');
}
std::string refusal(const std::string& tar) {
  return message_of<UsageError>([&] { index_tar(tar, "x.tar"); });
}
const std::string tar_end(1024, '\0');

TEST(Archives, AreReadAsFoldersAre) {
  const TemporaryFolder folder;
  for (const char* name : {"x.tar", "x.tar.gz", "x.tgz", "x.zip"}) {
    write_file(folder / name, data::detail::pack(some_files, name));
    expect_files(*open_source(folder / name), some_files);
  }
  EXPECT_NE(message_of<UsageError>([&] { open_source(folder / "x.rar"); }).find("not a folder"), std::string::npos);
  write_file(folder / "x.rar", std::string("Rar!"));
  EXPECT_NE(message_of<UsageError>([&] { open_source(folder / "x.rar"); }).find("no archive that is known"),
            std::string::npos);
}

TEST(Archives, OfficialOnesInAFolderJoinWhatLiesThere) {
  const TemporaryFolder folder;
  write_file(folder / "loose.mat", std::string("loose"));
  write_file(folder / "a/b.txt", std::string("unpacked"));
  write_file(folder / "one.tar", data::detail::pack(some_files, "one.tar"));
  write_file(folder / "other.tar", data::detail::pack({{"never", "read"}}, "other.tar"));
  const OfficialFile files[] = {
      {"", "one.tar", 0, "", ""}, {"", "absent.zip", 0, "", ""}, {"", "loose.mat", 0, "", ""}};
  const auto source = open_source(folder.path(), files);
  EXPECT_EQ(source->read("loose.mat"), "loose");
  EXPECT_EQ(source->read("a/b.txt"), "unpacked");  // before the archive's
  EXPECT_EQ(source->read("a/c/long"), some_files.at("a/c/long"));
  EXPECT_FALSE(source->contains("never"));
}

TEST(Archives, AnArchiveInsideAZipIsUnpackedToo) {
  const TemporaryFolder folder;
  const std::string inner = data::detail::pack(some_files, "inner.tar.gz");
  write_file(folder / "outer.zip", data::detail::pack({{"deep/inner.tar.gz", inner}, {"show.m", "code"}}, "outer.zip"));
  for (int time = 0; time < 2; ++time) {
    const auto source = open_source(folder / "outer.zip");
    EXPECT_EQ(source->read("a/b.txt"), "text of b");
    EXPECT_EQ(source->read("show.m"), "code");
  }
}

TEST(Archives, AnotherArchiveOfTheSameSizeInsideAZipIsSeen) {
  const TemporaryFolder folder;
  for (const std::string text : {"one text", "two text"}) {
    const std::string inner = data::detail::pack({{"a.txt", text}}, "inner.tar");
    write_file(folder / "outer.zip", data::detail::pack({{"inner.tar", inner}}, "outer.zip"));
    EXPECT_EQ(open_source(folder / "outer.zip")->read("a.txt"), text);
  }
}

TEST(Archives, OfOneArchiveForEachClassAreReadInPlaceBelowTheirFolder) {
  const TemporaryFolder folder;
  TinyPart train{"train.tar", {{"train/n1/a.JPEG", "a"}, {"train/n1/b.JPEG", "b"}, {"train/n2/a.JPEG", "other a"}}};
  train.below = "train/", train.tar_of_tars = true;
  TinyPart val{"val.tar", {{"val/1.JPEG", "1"}}};
  val.below = "val/";
  for (const TinyPart& part : {train, val}) write_file(folder / part.archive, data::detail::pack(part));
  const OfficialFile files[] = {{"", "train.tar", 0, "", "", "train"}, {"", "val.tar", 0, "", "", "val"}};
  const auto source = open_source(folder.path(), files);
  for (const TinyPart& part : {train, val})
    for (const auto& [name, bytes] : part.files) EXPECT_EQ(source->read(name), bytes) << name;
  EXPECT_EQ(source->names_below("train").size(), 3u);
  EXPECT_EQ(source->names_below("val").size(), 1u);
  // What is wrong within is told with both names.
  std::string broken = read_file(folder / "train.tar");
  broken[broken.find("b.JPEG")] = 'c';
  write_file(folder / "train.tar", broken);
  const std::string message = message_of<UsageError>([&] { open_source(folder.path(), files); });
  EXPECT_NE(message.find("train.tar: n1.tar: byte "), std::string::npos) << message;
}

TEST(Archives, AreReadByManyThreadsAtOnce) {
  const TemporaryFolder folder;
  Files files;
  for (int i = 0; i < 50; ++i)
    files["f" + std::to_string(i)] = std::string(static_cast<std::size_t>(1000 + i), static_cast<char>('a' + i % 26));
  for (const char* name : {"x.tar", "x.zip"}) {
    write_file(folder / name, data::detail::pack(files, name));
    const auto source = open_source(folder / name);
    std::vector<std::thread> threads;
    std::atomic<int> wrong{0};
    for (int t = 0; t < 4; ++t)
      threads.emplace_back([&] {
        for (const auto& [file, bytes] : files) wrong += source->read(file) != bytes ? 1 : 0;
      });
    for (std::thread& thread : threads) thread.join();
    EXPECT_EQ(wrong, 0);
  }
}

TEST(Tar, NamesOfEveryKind) {
  const std::string long_name = "folder/" + std::string(150, 'n');
  std::string prefixed = tar_member("file", "p");
  // ustar: 155 bytes of folder, 100 of name.
  prefixed.replace(345, 6, "before");
  prefixed.replace(148, 8, "        ");
  unsigned sum = 0;
  for (std::size_t i = 0; i < 512; ++i) sum += static_cast<unsigned char>(prefixed[i]);
  char octal[9];
  std::snprintf(octal, sizeof octal, "%06o", sum);
  prefixed.replace(148, 7, std::string(octal) + '\0');
  const std::string tar = tar_member("./dot", "1") + tar_member("././@LongLink", long_name + '\0', 'L') +
                          tar_member("cut", "22") + pax("path", "from/pax") + tar_member("ignored", "333") + prefixed +
                          tar_member("twice", "old") + tar_member("twice", "new") + tar_member("dir/", "", '5') +
                          tar_member("big", "4444", '0', "", std::string("\x80\0\0\0\0\0\0\0\0\0\0\4", 12)) + tar_end;
  const auto members = index_tar(tar, "x.tar");
  const auto bytes = [&](const std::string& name) {
    const TarMember& m = members.at(name);
    return tar.substr(m.begin, m.size);
  };
  EXPECT_EQ(members.size(), 6u);
  EXPECT_EQ(bytes("dot"), "1");
  EXPECT_EQ(bytes(long_name), "22");
  EXPECT_EQ(bytes("from/pax"), "333");
  EXPECT_EQ(bytes("before/file"), "p");
  EXPECT_EQ(bytes("twice"), "new");
  EXPECT_EQ(bytes("big"), "4444");
}

TEST(Tar, RefusesWhatIsDamagedOrLeavesTheFolder) {
  const std::string good = tar_member("name", "bytes") + tar_end;
  EXPECT_EQ(refusal(good), "");
  EXPECT_EQ(refusal(tar_member("name", "bytes")), "");  // without an end
  for (std::size_t length = 1; length < 512 + 5; ++length)
    EXPECT_NE(refusal(good.substr(0, length)).find("x.tar: byte "), std::string::npos) << length;
  EXPECT_NE(refusal("").find("empty file"), std::string::npos);
  std::string damaged = good;
  damaged[3] = 'x';
  EXPECT_NE(refusal(damaged).find("checksum"), std::string::npos);
  for (const char* name : {"/etc/passwd", "../up", "a/../../up", "a//b", "a/./b", "a\\b", ".."})
    EXPECT_NE(refusal(tar_member(name, "x") + tar_end).find("is not a path within it"), std::string::npos) << name;
  EXPECT_NE(refusal(pax("path", "../up") + tar_member("a", "x")).find("../up"), std::string::npos);
  EXPECT_NE(refusal(tar_member("a", "", '0', "", "77777777777")).find("takes 8589934591 bytes"), std::string::npos)
      << refusal(tar_member("a", "", '0', "", "77777777777"));
  EXPECT_NE(refusal(tar_member("a", "", '0', "", "8")).find("no octal number"), std::string::npos);
  EXPECT_NE(refusal(tar_member("a", "", '0', "", std::string(12, '\xff'))).find("above 2^63"), std::string::npos);
  EXPECT_NE(refusal(tar_member("x", "9999 path=a\n", 'x')).find("pax record"), std::string::npos);
}

TEST(Tar, RefusesLinksAndDevicesByName) {
  const std::string good = tar_member("dir/", "", '5') + tar_member("dir/name", "bytes");
  EXPECT_EQ(refusal(good + tar_end), "");
  EXPECT_NE(
      refusal(good + tar_member("dir/link", "", '2', "/etc/passwd") + tar_end).find("x.tar: 'dir/link' is a link"),
      std::string::npos);
  EXPECT_NE(refusal(good + tar_member("hard", "", '1', "dir/name") + tar_end).find("x.tar: 'hard' is a link"),
            std::string::npos);
  EXPECT_NE(refusal(pax("path", "from/pax") + tar_member("x", "", '2', "a") + tar_end).find("'from/pax' is a link"),
            std::string::npos);
  for (const char type : {'3', '4', '6'})
    EXPECT_NE(refusal(good + tar_member("device", "", type) + tar_end).find("'device' is no regular file"),
              std::string::npos)
        << type;
}

TEST(Zip, RefusesLinksAndDevicesByName) {
  const TemporaryFolder folder;
  const std::string zip = data::detail::pack({{"a", "/etc/passwd"}}, "x.zip");
  const std::size_t entry = zip.rfind("PK\1\2");
  const auto message = [&](unsigned mode, char system = 3) {
    std::string changed = zip;
    changed[entry + 5] = system;
    changed[entry + 40] = static_cast<char>(mode & 0xff), changed[entry + 41] = static_cast<char>(mode >> 8);
    write_file(folder / "x.zip", changed);
    return message_of<UsageError>([&] { open_source(folder / "x.zip")->read("a"); });
  };
  EXPECT_EQ(message(0100644), "");
  EXPECT_EQ(message(0644), "") << "permissions alone";
  EXPECT_EQ(message(0120777, 0), "") << "not made on Unix: those bytes mean nothing";
  EXPECT_NE(message(0120777).find("x.zip: 'a' is a link"), std::string::npos) << message(0120777);
  for (const unsigned mode : {0020600u, 0060600u, 0010600u, 0140600u})
    EXPECT_NE(message(mode).find("'a' is no regular file"), std::string::npos) << mode;
}

TEST(Zip, RefusesBombsDamageAndOutsideNames) {
  const TemporaryFolder folder;
  std::string zip = data::detail::pack({{"a", std::string(100000, 'a')}}, "x.zip");
  const auto message = [&](const std::string& bytes) {
    write_file(folder / "x.zip", bytes);
    return message_of<UsageError>([&] { open_source(folder / "x.zip")->read("a"); });
  };
  EXPECT_EQ(message(zip), "");
  // The directory says that the member has 10 bytes: no more is inflated.
  const std::size_t entry = zip.rfind("PK\1\2");
  std::string bomb = zip;
  bomb.replace(entry + 24, 4, std::string("\x0a\0\0\0", 4));
  EXPECT_NE(message(bomb).find("more than 10 bytes"), std::string::npos) << message(bomb);
  std::string claims = zip;
  claims.replace(entry + 24, 4, std::string("\0\0\0\x70", 4));
  EXPECT_NE(message(claims).find("at most 1073741824 are accepted"), std::string::npos) << message(claims);
  std::string wrong_sum = zip;
  wrong_sum[entry + 16] = static_cast<char>(wrong_sum[entry + 16] ^ 1);
  EXPECT_NE(message(wrong_sum).find("CRC-32"), std::string::npos) << message(wrong_sum);
  EXPECT_NE(message(zip.substr(0, zip.size() / 2)).find("x.zip"), std::string::npos);
  EXPECT_NE(message(data::detail::pack({{"../up", "x"}}, "x.zip")).find("is not a path within it"), std::string::npos);
}

TEST(Unpack, SaysWhatItWillDoAndDoesItOnce) {
  const TemporaryFolder folder;
  const std::string path = folder / "x.tar.gz";
  write_file(path, data::detail::pack(some_files, "x.tar.gz"));
  std::vector<std::string> plans;
  Index last = 0;
  UnpackOptions options;
  options.announce = [&](const std::string& plan) { plans.push_back(plan); };
  options.progress = [&](Index done, Index total) { last = done == total ? total : last; };
  EXPECT_EQ(unpack(path, options), folder / ".x.tar.gz.unpacked");
  EXPECT_EQ(last, 5009);
  unpack(path, options);
  ASSERT_EQ(plans.size(), 1u);
  EXPECT_NE(plans[0].find("3 files, 5009 bytes"), std::string::npos) << plans[0];
  // Another archive of the same name is unpacked anew.
  write_file(path, data::detail::pack({{"only", "this"}}, "x.tar.gz"));
  expect_files(*open_source(path, {}, options), {{"only", "this"}});
  options.folder = folder / "elsewhere";
  EXPECT_EQ(unpack(path, options), folder / "elsewhere/.x.tar.gz.unpacked");
}

TEST(Unpack, LeavesNothingHalfWritten) {
  const TemporaryFolder folder;
  const std::string path = folder / "x.tgz";
  const auto left = [&] {
    std::vector<std::string> names;
    for (const auto& entry : fs::directory_iterator(folder.path())) names.push_back(entry.path().filename());
    return names;
  };
  const auto refused = [&](const std::string& tar, const std::string& part, const UnpackOptions& options = {}) {
    write_file(path, gzip(tar));
    const std::string message = message_of<Error>([&] { unpack(path, options); });
    EXPECT_NE(message.find(part), std::string::npos) << message;
    EXPECT_EQ(left(), std::vector<std::string>{"x.tgz"});
  };
  const std::string good = tar_member("first", "bytes");
  refused(good + tar_member("l", "", '2', "/etc/passwd") + tar_end, "'l' is a link");
  refused(good + tar_member("l", "", '1', "first") + tar_end, "'l' is a link");
  refused(good + tar_member("d", "", '3') + tar_end, "'d' is no regular file");
  refused(good + tar_member("../up", "x") + tar_end, "'../up' is not a path within it");
  refused(good + tar_member("/abs", "x") + tar_end, "'/abs' is not a path within it");
  refused(good + tar_member("cut", std::string(3000, 'x')).substr(0, 1000), "x.tgz");
  UnpackOptions stopped;
  stopped.should_stop = [] { return true; };
  refused(good + tar_end, "nothing was written", stopped);
  int asked = 0;
  stopped.should_stop = [&] { return ++asked > 7; };  // after the plan, in the middle of writing
  refused(good + tar_member("second", "x") + tar_member("third", "x") + tar_end, "nothing was written", stopped);
  write_file(path, gzip(good + tar_end).substr(0, 40));
  EXPECT_NE(message_of<UsageError>([&] { unpack(path); }), "");
  EXPECT_EQ(left(), std::vector<std::string>{"x.tgz"});
}

TEST(Unpack, ABombIsNotReadToItsEnd) {
  const TemporaryFolder folder;
  const std::string path = folder / "x.tgz", bomb = gzip(tar_member("large", std::string(4000000, 'x')) + tar_end);
  write_file(path, bomb);
  EXPECT_EQ(plan_unpacking(path).bytes, 4000000);
  EXPECT_EQ(plan_unpacking(path, {}, 4004096).bytes, 4000000);  // and a block
  const auto refused = [&](Index most) { return message_of<UsageError>([&] { plan_unpacking(path, {}, most); }); };
  const std::string expected = "x.tgz: unpacking it takes more than the 1000000 bytes that are free where ";
  EXPECT_NE(refused(1000000).find(expected), std::string::npos) << refused(1000000);
  write_file(path, bomb.substr(0, bomb.size() / 2));  // that the second half is missing is not even seen
  EXPECT_NE(refused(1000000).find(expected), std::string::npos) << refused(1000000);
  EXPECT_EQ(refused(4004096).find("unpacking it takes"), std::string::npos);
  std::string many;
  for (int i = 0; i < 300; ++i) many += tar_member("f" + std::to_string(i), "");
  write_file(path, gzip(many + tar_end));
  EXPECT_NE(refused(1000000).find(expected), std::string::npos) << "empty files take places in folders";
}

TEST(Unpack, AFullDiskIsNamed) {
  const TemporaryFolder folder;
  const std::string path = folder / "x.tgz";
  write_file(path, gzip(tar_member("large", std::string(200000, 'x')) + tar_end));
  const auto before = std::signal(SIGXFSZ, SIG_IGN);
  rlimit old{};
  getrlimit(RLIMIT_FSIZE, &old);
  const rlimit small{100000, old.rlim_max};
  setrlimit(RLIMIT_FSIZE, &small);
  const std::string message = message_of<UsageError>([&] { unpack(path); });
  setrlimit(RLIMIT_FSIZE, &old);
  std::signal(SIGXFSZ, before);
  EXPECT_NE(message.find("large: cannot be written"), std::string::npos) << message;
  EXPECT_FALSE(fs::exists(folder / ".x.tgz.unpacked"));
}

}  // namespace archive_test
