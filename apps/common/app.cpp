// The outside of every application.
#include "common/app.hpp"

#include <exception>
#include <iostream>
#include <new>

#include "tinyvision/core/error.hpp"

namespace tv_app::detail {

int run_guarded(const std::string& name, const std::string& command, const std::function<int()>& work) {
  const auto report = [&](const std::string& text, int code) {
    std::cerr << name << ": " << text << std::endl;
    return code;
  };
  const auto stopped = [] { return interrupted() ? 128 + static_cast<int>(interrupt_signal()) : 130; };
  try {
    const int code = work();
    if (!std::cout.flush()) tinyvision::fail("stdout", "could not be written");
    return code;
  } catch (const HelpRequested& help) {
    std::cout << help.what() << std::flush;
    return exit_done;
  } catch (const Resumable& stop) {
    return report("stopped on request: " + std::string(stop.what()) + "\nresume with: " + command, stopped());
  } catch (const Interrupted& stop) {
    return report("stopped on request: " + std::string(stop.what()), stopped());
  } catch (const tinyvision::UsageError& error) {
    return report("error: " + std::string(error.what()), exit_usage);
  } catch (const std::bad_alloc&) {
    return report("error: out of memory", exit_failed);
  } catch (const std::exception& error) {
    return report("error: " + std::string(error.what()), exit_failed);
  }
}

int run_app(CLI::App& app, const std::string& name, CommonOptions& common, int argc, char** argv,
            const std::function<int(const Json&)>& body) {
  install_interrupt_handler();
  return run_guarded(name, command_line(argc, argv), [&] {
    parse_options(app, name, argc, argv);
    apply_common_options(common);
    Json configuration = resolved_configuration(app);
    if (configuration.contains("threads")) configuration["threads"] = common.threads;
    print_configuration(std::cerr, name, configuration);
    return body(configuration);
  });
}

}  // namespace tv_app::detail
