// A persistent pool of worker threads and `parallel_for`, the only way the library runs in parallel.
//
// Tasks are handed out dynamically, so *which* thread runs a task is not repeatable; *what* a task computes is, because
// callers cut work by shape alone and combine partial results in task order. Results therefore do not depend on the
// number of threads.
#pragma once

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <cstdlib>
#include <exception>
#include <memory>
#include <mutex>
#include <thread>
#include <type_traits>
#include <vector>

#include "tinyvision/core/config.hpp"
#include "tinyvision/core/error.hpp"

TINYVISION_BEGIN

/// Persistent workers. One job runs at a time; a job started from inside a task runs on the calling thread alone.
class ThreadPool {
 public:
  /// The process-wide pool. Its first size is $TINYVISION_NUM_THREADS, else the number of hardware threads.
  static ThreadPool& instance() {
    static ThreadPool pool(default_size());
    return pool;
  }

  explicit ThreadPool(int threads) { start(threads); }
  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;
  ~ThreadPool() { stop(); }

  int size() const { return static_cast<int>(workers_.size()) + 1; }

  /// Replaces the workers. Must not be called from inside a task. Throws Error when `threads` < 1.
  void resize(int threads) {
    check(threads >= 1, "thread_pool", "number of threads must be at least 1, got ", threads);
    const std::lock_guard<std::mutex> job_lock(job_mutex_);
    if (threads == size()) return;
    stop();
    start(threads);
  }

  /// Runs `task(context, i)` once for each i in [0, tasks). Rethrows the exception of the lowest failing task index seen.
  void run(Index tasks, void (*task)(void*, Index), void* context) {
    if (tasks <= 0) return;
    if (tasks == 1 || in_task() || workers_.empty()) return run_inline(tasks, task, context);
    const std::lock_guard<std::mutex> job_lock(job_mutex_);
    Job job{task, context, tasks};
    {
      const std::lock_guard<std::mutex> lock(mutex_);
      job_ = &job;
      active_ = static_cast<int>(workers_.size());
      generation_.fetch_add(1, std::memory_order_release);
    }
    wake_.notify_all();
    in_task() = true;
    job.work();
    in_task() = false;
    wait_until_idle();
    job_ = nullptr;
    if (job.error) std::rethrow_exception(job.error);
  }

 private:
  struct Job {
    void (*task)(void*, Index);
    void* context;
    Index tasks;
    std::atomic<Index> next{0};
    std::mutex error_mutex{};
    std::exception_ptr error{};
    Index error_task = 0;

    void work() {
      for (Index i = next.fetch_add(1); i < tasks; i = next.fetch_add(1)) {
        try {
          task(context, i);
        } catch (...) {
          const std::lock_guard<std::mutex> lock(error_mutex);
          if (!error || i < error_task) error = std::current_exception(), error_task = i;
        }
      }
    }
  };

  static int default_size() {
    if (const char* text = std::getenv("TINYVISION_NUM_THREADS")) {
      const int n = std::atoi(text);
      if (n >= 1) return n;
    }
    return std::max(1, static_cast<int>(std::thread::hardware_concurrency()));
  }

  static bool& in_task() {
    thread_local bool value = false;
    return value;
  }

  static void run_inline(Index tasks, void (*task)(void*, Index), void* context) {
    for (Index i = 0; i < tasks; ++i) task(context, i);
  }

  void start(int threads) {
    // Spinning hides wake-up latency between the many short jobs of a network, but starves other threads when there are
    // more of them than cores.
    spins_ = threads <= static_cast<int>(std::thread::hardware_concurrency()) ? 4000 : 0;
    stopping_ = false;
    const std::uint64_t generation = generation_.load();
    for (int i = 1; i < threads; ++i) workers_.emplace_back([this, generation] { worker(generation); });
  }

  void stop() {
    {
      const std::lock_guard<std::mutex> lock(mutex_);
      stopping_ = true;
      generation_.fetch_add(1, std::memory_order_release);
    }
    wake_.notify_all();
    for (std::thread& thread : workers_) thread.join();
    workers_.clear();
  }

  void worker(std::uint64_t seen) {
    in_task() = true;
    for (;;) {
      for (int i = 0; i < spins_ && generation_.load(std::memory_order_acquire) == seen; ++i) pause();
      {
        std::unique_lock<std::mutex> lock(mutex_);
        wake_.wait(lock, [&] { return generation_.load(std::memory_order_acquire) != seen; });
        seen = generation_.load(std::memory_order_acquire);
        if (stopping_) return;
      }
      job_->work();
      {
        const std::lock_guard<std::mutex> lock(mutex_);
        if (--active_ == 0) idle_.notify_one();
      }
    }
  }

  void wait_until_idle() {
    std::unique_lock<std::mutex> lock(mutex_);
    idle_.wait(lock, [&] { return active_ == 0; });
  }

  static void pause() {
#if defined(__x86_64__)
    __builtin_ia32_pause();
#endif
  }

  std::vector<std::thread> workers_;
  std::mutex job_mutex_;
  std::mutex mutex_;
  std::condition_variable wake_, idle_;
  std::atomic<std::uint64_t> generation_{0};
  Job* job_ = nullptr;
  int active_ = 0;
  int spins_ = 0;
  bool stopping_ = false;
};

/// Number of threads that `parallel_for` uses.
inline int num_threads() { return ThreadPool::instance().size(); }

/// Sets the number of threads (>= 1). Results do not change with it; only the time does.
inline void set_num_threads(int threads) { ThreadPool::instance().resize(threads); }

/// Calls `task(i)` once for each i in [0, tasks), in parallel, and returns when all are done. Calls from inside a task
/// run on the calling thread. An exception thrown by a task reaches the caller after all tasks have ended.
template <class Task>
void parallel_for(Index tasks, Task&& task) {
  using Function = std::remove_reference_t<Task>;
  ThreadPool::instance().run(
      tasks, [](void* context, Index i) { (*static_cast<Function*>(context))(i); },
      const_cast<void*>(static_cast<const void*>(&task)));
}

/// Calls `body(begin, end)` for consecutive ranges of at most `grain` elements that cover [0, count).
template <class Body>
void parallel_ranges(Index count, Index grain, Body&& body) {
  const Index step = std::max<Index>(1, grain);
  parallel_for((count + step - 1) / step, [&](Index i) { body(i * step, std::min(count, (i + 1) * step)); });
}

TINYVISION_END
