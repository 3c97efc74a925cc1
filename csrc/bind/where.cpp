// Where in the user's program a traced op is called: frames of the interpreter, from the innermost.
#include "bind/bind.h"

namespace py = pybind11;

namespace nnf {

namespace {

// (`self` of the innermost frame that runs the code `call`, or None; what `files` says of the path
// of the innermost for which that is not ""; the line there). The search ends where `files` says
// None of a path.
py::tuple innermost(py::handle call, py::object files) {
  py::object module = py::none(), file = py::str();
  int line = 0;
  auto frame = py::reinterpret_borrow<py::object>(reinterpret_cast<PyObject*>(PyEval_GetFrame()));
  while (frame) {
    auto* f = reinterpret_cast<PyFrameObject*>(frame.ptr());
    auto code = py::reinterpret_steal<py::object>(reinterpret_cast<PyObject*>(PyFrame_GetCode(f)));
    py::object name = files[reinterpret_cast<PyCodeObject*>(code.ptr())->co_filename];
    if (name.is_none()) break;
    if (module.is_none() && code.is(call)) {
      module = py::reinterpret_steal<py::object>(PyFrame_GetLocals(f))["self"];
    } else if (line == 0 && PyUnicode_GET_LENGTH(name.ptr()) > 0) {
      file = name;
      line = PyFrame_GetLineNumber(f);
    }
    if (line > 0 && !module.is_none()) break;
    frame = py::reinterpret_steal<py::object>(reinterpret_cast<PyObject*>(PyFrame_GetBack(f)));
  }
  return py::make_tuple(module, file, line);
}

}  // namespace

void bind_where(py::module_& m) {
  m.def("innermost", &innermost, py::arg("call"), py::arg("files"),
        "(self of the innermost frame that runs the code `call`, or None; what `files` says of the "
        "path of the innermost for which that is not ''; the line there), up to the first of whose "
        "path it says None.");
}

}  // namespace nnf
