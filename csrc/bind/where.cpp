#include "bind/where.h"

namespace py = pybind11;

namespace nnf {

Spot innermost(py::handle call, py::handle files) {
  Spot spot{py::none(), py::str()};
  auto frame = py::reinterpret_borrow<py::object>(reinterpret_cast<PyObject*>(PyEval_GetFrame()));
  while (frame) {
    auto* f = reinterpret_cast<PyFrameObject*>(frame.ptr());
    auto code = py::reinterpret_steal<py::object>(reinterpret_cast<PyObject*>(PyFrame_GetCode(f)));
    py::object name = files[reinterpret_cast<PyCodeObject*>(code.ptr())->co_filename];
    if (name.is_none()) break;
    if (spot.module.is_none() && code.is(call)) {
      spot.module = py::reinterpret_steal<py::object>(PyFrame_GetLocals(f))["self"];
    } else if (spot.line == 0 && PyUnicode_GET_LENGTH(name.ptr()) > 0) {
      spot.file = name;
      spot.line = PyFrame_GetLineNumber(f);
    }
    if (spot.line > 0 && !spot.module.is_none()) break;
    frame = py::reinterpret_steal<py::object>(reinterpret_cast<PyObject*>(PyFrame_GetBack(f)));
  }
  return spot;
}

void bind_where(py::module_& m) {
  m.def(
      "line_of",
      [](py::handle files) {
        Spot spot = innermost(py::none(), files);
        return std::make_pair(spot.file, spot.line);
      },
      py::arg("files"),
      "What `files` says of the path of the innermost frame for which that is not '', and the line "
      "there, up to the first of whose path it says None.");
}

}  // namespace nnf
