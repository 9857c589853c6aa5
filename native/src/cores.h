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
wpk_core core_of(const std::string &name);

}  // namespace wpconvert::native

#endif  // WPCONVERT_NATIVE_CORES_H_
