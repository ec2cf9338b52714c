//! What does a plan look like?
