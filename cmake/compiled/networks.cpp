// The networks of the registry, for programs that link tinyvision::compiled.
#include "tinyvision/models/all_networks.hpp"
#include "tinyvision/models/registry.hpp"

TINYVISION_BEGIN

const std::vector<NetworkEntry>& network_entries() { return all_network_entries(); }

TINYVISION_END
