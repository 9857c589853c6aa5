// What the runtime calls in place of the kernels' own: the scratch of a layer on the host, or on a
// core that is planned for.
#ifndef WPCONVERT_NATIVE_SCRATCH_H_
#define WPCONVERT_NATIVE_SCRATCH_H_

#include <cstdint>
#include <string>
#include <vector>

#include "planning.h"

namespace wpconvert::native {

// Those that are planned for, as in a board.json.
std::vector<std::string> core_names();

// The planning of a core; nullptr for one that is not known.
const wpn_planning *planning_of(const std::string &core);

// While it lives, this thread plans for a core. Without `spare`, layers know of no memory that
// costs nothing, as in TensorFlow Lite Micro.
class PlanningFor {
   public:
    PlanningFor(const wpn_planning *planning, bool spare);
    ~PlanningFor();
    PlanningFor(const PlanningFor &) = delete;
    PlanningFor &operator=(const PlanningFor &) = delete;
};

}  // namespace wpconvert::native

#endif  // WPCONVERT_NATIVE_SCRATCH_H_
