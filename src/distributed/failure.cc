#include "distributed/failure.h"

#include <exception>
#include <new>

#include "base/error.h"

namespace scalekv::distributed {

Failure Failure::current() {
  try {
    throw;
  } catch (const Cancelled& cancelled) {
    return {Kind::cancelled, cancelled.what()};
  } catch (const UsageError& error) {
    return {Kind::usage, error.what()};
  } catch (const std::bad_alloc&) {
    return {Kind::error,
            "out of memory; ask for a smaller `size`, `batch` or `budget`, or for fewer ranks on a machine"};
  } catch (const std::exception& error) {
    return {Kind::error, error.what()};
  }
}

void Failure::raise() const {
  if (kind == Kind::cancelled) throw Cancelled();
  if (kind == Kind::usage) throw UsageError(message);
  throw Error(message);
}

}  // namespace scalekv::distributed
