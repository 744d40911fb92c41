// tv_linear_probe: classifiers of a network's penultimate features, as in the paper.
#include "common/app.hpp"
#include "common/probe.hpp"

int main(int argc, char** argv) {
  tv_app::CommonOptions common;
  tv_app::ProbeChoice choice;
  const auto classifiers = tv_app::probe_classifiers();
  CLI::App app(
      "tv_linear_probe: classifiers of fixed penultimate features; the strength of the penalty is chosen on validation "
      "images, the classifier refitted on training + validation and evaluated once on the test images");
  tv_app::add_probe_options(app, choice, classifiers);
  tv_app::add_common_options(app, common, "folder for features, classifier, predictions, split and results");
  return tv_app::run_app(app, "tv_linear_probe", common, argc, argv, [&](const tv_app::Json& config) {
    tv_app::run_probe(app, choice, common, classifiers, config);
  });
}
