// A fibre: a function with a stack of its own that gives way when it chooses to. ucontext, with the hooks by which the
// sanitizers follow a change of stacks.
#pragma once

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

/// Stacks that are not in use; a block of a thousand threads would else allocate a thousand for every launch.
class StackPool {
 public:
  static constexpr std::size_t bytes = 64 * 1024;
  using Stack = std::unique_ptr<std::byte[]>;

  Stack take() {
    if (free_.empty()) return Stack(new std::byte[bytes]);
    Stack stack = std::move(free_.back());
    free_.pop_back();
    return stack;
  }
  void give(Stack stack) { free_.push_back(std::move(stack)); }

  static StackPool& of_this_thread() {
    thread_local StackPool pool;
    return pool;
  }

 private:
  std::vector<Stack> free_;
};

class Fibre {
 public:
  Fibre() = default;
  Fibre(const Fibre&) = delete;
  Fibre& operator=(const Fibre&) = delete;
  // The stack of a fibre that never ended is not used again: the sanitizer still holds marks on it.

  void start(std::function<void()> body) {
    body_ = std::move(body);
    started_ = done_ = false;
  }
  bool done() const { return done_; }

  /// Runs the fibre until it gives way or ends. Rethrows what it threw.
  void resume() {
    if (!started_) {
      stack_ = StackPool::of_this_thread().take();
      ::getcontext(&context_);
      context_.uc_stack.ss_sp = stack_.get();
      context_.uc_stack.ss_size = StackPool::bytes;
      context_.uc_link = nullptr;
      ::makecontext(&context_, &Fibre::enter, 0);
      started_ = true;
    }
    running() = this;
#if TINYVISION_FIBRE_ASAN
    void* fake = nullptr;
    __sanitizer_start_switch_fiber(&fake, stack_.get(), StackPool::bytes);
#endif
    ::swapcontext(&caller_, &context_);
#if TINYVISION_FIBRE_ASAN
    __sanitizer_finish_switch_fiber(fake, nullptr, nullptr);
#endif
    running() = nullptr;
    if (done_) StackPool::of_this_thread().give(std::move(stack_));
    if (thrown_) std::rethrow_exception(std::exchange(thrown_, nullptr));
  }

  /// Gives way, from inside the running fibre.
  static void yield() { running()->leave(false); }

 private:
  static Fibre*& running() {
    thread_local Fibre* fibre = nullptr;
    return fibre;
  }

  static void enter() {
    Fibre* self = running();
#if TINYVISION_FIBRE_ASAN
    __sanitizer_finish_switch_fiber(nullptr, &self->caller_stack_, &self->caller_bytes_);
#endif
    try {
      self->body_();
    } catch (...) {
      self->thrown_ = std::current_exception();
    }
    self->done_ = true;
    self->leave(true);
  }

  void leave([[maybe_unused]] bool for_good) {
#if TINYVISION_FIBRE_ASAN
    void* fake = nullptr;
    __sanitizer_start_switch_fiber(for_good ? nullptr : &fake, caller_stack_, caller_bytes_);
#endif
    ::swapcontext(&context_, &caller_);
#if TINYVISION_FIBRE_ASAN
    __sanitizer_finish_switch_fiber(fake, &caller_stack_, &caller_bytes_);
#endif
  }

  ucontext_t context_{}, caller_{};
  StackPool::Stack stack_;
  std::function<void()> body_;
  std::exception_ptr thrown_;
  bool started_ = false, done_ = false;
  const void* caller_stack_ = nullptr;
  std::size_t caller_bytes_ = 0;
};

}  // namespace emulation
