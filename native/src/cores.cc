#include "cores.h"

#include "session.h"

namespace wpconvert::native {

std::vector<std::string> core_names() {
    std::vector<std::string> names;
    for (wpn_core core : wpn_cores) {
        names.emplace_back(wpn_core_name(core));
    }
    return names;
}

wpn_core core_of(const std::string &name) {
    for (wpn_core core : wpn_cores) {
        if (name == wpn_core_name(core)) {
            return core;
        }
    }
    throw Error("no kernels for the core " + name);
}

PlanningFor::PlanningFor(wpn_core core, bool spare) {
    wpn_plan_for(core, spare);
}

PlanningFor::~PlanningFor() {
    wpn_plan_for(wpn_host, true);
}

}  // namespace wpconvert::native
