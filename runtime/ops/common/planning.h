// The kernels' planning, for the core that the program is prepared for.
#ifndef WPCONVERT_OPS_COMMON_PLANNING_H_
#define WPCONVERT_OPS_COMMON_PLANNING_H_

#include "wpconvert/operator.h"

// Calls wpk_FUNCTION. A host calls its twin with the core of Program::PlanFor, if that was called.
#ifdef WPK_ANY_CORE
#define WPCONVERT_PLAN(context, function, ...)                                         \
    ((context).core() != nullptr ? wpk_##function##_for((context).core(), __VA_ARGS__) \
                                 : wpk_##function(__VA_ARGS__))
#else
#define WPCONVERT_PLAN(context, function, ...) wpk_##function(__VA_ARGS__)
#endif

#endif  // WPCONVERT_OPS_COMMON_PLANNING_H_
