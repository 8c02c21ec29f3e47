#include <system_error>

#include "report.hpp"

namespace tool {

std::string system_text(int code) { return std::generic_category().message(code); }

}  // namespace tool
