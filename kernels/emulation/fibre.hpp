// A fibre: a function with a stack of its own that gives way when it chooses to.
//
// A stack is entered once, by ucontext; later changes of stacks are jumps, because swapcontext asks the system for the
// signal mask every time and a kernel changes threads some million times. Under AddressSanitizer, which must be told of
// each change, it is swapcontext throughout.
#pragma once

#include <setjmp.h>
#include <ucontext.h>

#include <cstddef>
#include <exception>
#include <functional>
#include <memory>
#include <utility>
#include <vector>

#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/common_interface_defs.h>
#define TINYVISION_FIBRE_ASAN 1
#else
#define TINYVISION_FIBRE_ASAN 0
#endif

namespace emulation {

class Fibre {
 public:
  Fibre() = default;
  Fibre(const Fibre&) = delete;
  Fibre& operator=(const Fibre&) = delete;
  // The strand of a fibre that never ended is not used again: its stack is still that of the function.

  void start(std::function<void()> body) {
    body_ = std::move(body);
    done_ = false;
  }
  bool done() const { return done_; }

  /// Runs the fibre until it gives way or ends. Rethrows what it threw.
  void resume() {
    if (!strand_) {
      if (idle().empty()) idle().push_back(std::make_unique<Strand>());
      strand_ = std::move(idle().back());
      idle().pop_back();
      strand_->fibre = this;
    }
    running() = strand_.get();
    strand_->enter();
    running() = nullptr;
    if (done_) idle().push_back(std::move(strand_));
    if (thrown_) std::rethrow_exception(std::exchange(thrown_, nullptr));
  }

  /// Gives way, from inside the running fibre.
  static void yield() { running()->leave(); }

 private:
  /// A stack and the loop on it that runs one fibre's function after the other.
  struct Strand {
    static constexpr std::size_t bytes = 64 * 1024;

    Fibre* fibre = nullptr;
    std::unique_ptr<std::byte[]> stack{new std::byte[bytes]};
    ucontext_t inside{}, outside{};

    Strand() {
      ::getcontext(&inside);
      inside.uc_stack.ss_sp = stack.get();
      inside.uc_stack.ss_size = bytes;
      inside.uc_link = nullptr;
      ::makecontext(&inside, &Strand::loop, 0);
    }

    static void loop() {
      Strand* const self = running();
#if TINYVISION_FIBRE_ASAN
      __sanitizer_finish_switch_fiber(nullptr, &self->caller_stack, &self->caller_bytes);
#endif
      for (;;) {
        try {
          self->fibre->body_();
        } catch (...) {
          self->fibre->thrown_ = std::current_exception();
        }
        self->fibre->done_ = true;
        self->leave();
      }
    }

#if TINYVISION_FIBRE_ASAN
    const void* caller_stack = nullptr;
    std::size_t caller_bytes = 0;

    void enter() {
      void* fake = nullptr;
      __sanitizer_start_switch_fiber(&fake, stack.get(), bytes);
      ::swapcontext(&outside, &inside);
      __sanitizer_finish_switch_fiber(fake, nullptr, nullptr);
    }
    void leave() {
      void* fake = nullptr;
      __sanitizer_start_switch_fiber(&fake, caller_stack, caller_bytes);
      ::swapcontext(&inside, &outside);
      __sanitizer_finish_switch_fiber(fake, &caller_stack, &caller_bytes);
    }
#else
    jmp_buf inside_jump, outside_jump;
    bool entered = false;

    void enter() {
      if (_setjmp(outside_jump) != 0) return;
      if (entered) _longjmp(inside_jump, 1);
      entered = true;
      ::setcontext(&inside);
    }
    void leave() {
      if (_setjmp(inside_jump) == 0) _longjmp(outside_jump, 1);
    }
#endif
  };

  static Strand*& running() {
    thread_local Strand* strand = nullptr;
    return strand;
  }
  /// Strands that no fibre uses; a block of a thousand threads would else make a thousand for every launch.
  static std::vector<std::unique_ptr<Strand>>& idle() {
    thread_local std::vector<std::unique_ptr<Strand>> strands;
    return strands;
  }

  std::unique_ptr<Strand> strand_;
  std::function<void()> body_;
  std::exception_ptr thrown_;
  bool done_ = false;
};

}  // namespace emulation
