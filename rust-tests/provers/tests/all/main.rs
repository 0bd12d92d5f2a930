//! All tests of this package in one program: each program takes as long to link as the provers do.

mod command_line;
mod preload;
mod systems;
