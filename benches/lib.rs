//! Benchmarks: see the files beside this one. `cargo bench -p flow-benches --bench front` runs one.
