#include "cores.h"

#include "session.h"

namespace wpconvert::native {

std::vector<std::string> core_names() {
    std::vector<std::string> names;
    for (wpk_core core : wpn_cores) {
        names.emplace_back(wpn_core_name(core));
    }
    return names;
}

wpk_core core_of(const std::string &name) {
    for (wpk_core core : wpn_cores) {
        if (name == wpn_core_name(core)) {
            return core;
        }
    }
    throw Error("no kernels for the core " + name);
}

}  // namespace wpconvert::native
