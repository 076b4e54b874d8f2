//! Applications to objects. Owns templates, their parameter schemas and revision digests; a rendering must depend on nothing but its inputs.
