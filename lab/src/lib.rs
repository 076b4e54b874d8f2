//! The laboratory: builds, starts and stops the real parts that the tests run
//! against. Owns processes on loopback, each stopped by its id; it must never
//! be a dependency of the program itself.
