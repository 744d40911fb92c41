// A PyTorch program beside this one: it answers one line for each line, so that both take turns on the card.
#pragma once

#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cstdio>
#include <string>
#include <vector>

#include "tinyvision/core/error.hpp"

namespace gpu_check {

class Peer {
 public:
  /// Starts `command`. Whether it came up is what `alive` says.
  explicit Peer(const std::vector<std::string>& command) {
    std::array<int, 2> in{}, out{};
    if (pipe(in.data()) != 0 || pipe(out.data()) != 0) tinyvision::fail("peer", "no pipe");
    child_ = fork();
    if (child_ < 0) tinyvision::fail("peer", "no new process");
    if (child_ == 0) {
      dup2(in[0], 0), dup2(out[1], 1);
      for (const int end : {in[0], in[1], out[0], out[1]}) close(end);
      std::vector<char*> words;
      for (const std::string& word : command) words.push_back(const_cast<char*>(word.c_str()));
      words.push_back(nullptr);
      execvp(words[0], words.data());
      _exit(127);
    }
    close(in[0]), close(out[1]);
    to_ = fdopen(in[1], "w"), from_ = fdopen(out[0], "r");
    hello_ = read();
  }
  Peer(const Peer&) = delete;
  Peer& operator=(const Peer&) = delete;
  ~Peer() {
    std::fclose(to_);
    std::fclose(from_);
    waitpid(child_, nullptr, 0);
  }

  /// The first line it printed: what it is. Empty when it did not come up.
  const std::string& hello() const { return hello_; }
  bool alive() const { return !hello_.empty(); }
  /// Its answer to `line`; empty when it has gone.
  std::string ask(const std::string& line) {
    std::fprintf(to_, "%s\n", line.c_str());
    std::fflush(to_);
    return read();
  }

 private:
  std::string read() {
    std::string line;
    for (int c = std::fgetc(from_); c != EOF && c != '\n'; c = std::fgetc(from_)) line += static_cast<char>(c);
    return line;
  }

  pid_t child_ = -1;
  std::FILE *to_ = nullptr, *from_ = nullptr;
  std::string hello_;
};

}  // namespace gpu_check
