//! What must hold of any text and any bytes. The targets try it on those that the fuzzer makes up, the tests of the
//! repository on those that it has.

pub mod answer;
pub mod check;
pub mod read;
pub mod signature;
