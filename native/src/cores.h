// The cores that layers are planned for.
#ifndef WPCONVERT_NATIVE_CORES_H_
#define WPCONVERT_NATIVE_CORES_H_

#include <cstdint>
#include <string>
#include <vector>

#include "planning.h"

namespace wpconvert::native {

// Those that are planned for, as in a board.json.
std::vector<std::string> core_names();

// A core by that name; throws Error for one that is not known.
wpn_core core_of(const std::string &name);

// While it lives, this thread plans for a core. Without `spare`, layers know of no memory that
// costs nothing, as in TensorFlow Lite Micro.
class PlanningFor {
   public:
    PlanningFor(wpn_core core, bool spare);
    ~PlanningFor();
    PlanningFor(const PlanningFor &) = delete;
    PlanningFor &operator=(const PlanningFor &) = delete;
};

}  // namespace wpconvert::native

#endif  // WPCONVERT_NATIVE_CORES_H_
