// What gives the registration of an operator: Register_ADD() and so on, for all of operators.def.
#ifndef WPCONVERT_OPERATORS_H_
#define WPCONVERT_OPERATORS_H_

#include "wpconvert/operator.h"

namespace wpconvert {

#define WPCONVERT_BUILTIN(name, number, method) const Registration *Register_##name();
#define WPCONVERT_CUSTOM(name) const Registration *Register_##name();
#include "wpconvert/operators.def"

}  // namespace wpconvert

#endif  // WPCONVERT_OPERATORS_H_
