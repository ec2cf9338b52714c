//! Operations against real servers on this machine: what is sent, what answers mean, and what faults become.

mod accounts;
mod answers;
mod apart;
mod asking;
mod bulk;
mod connecting;
mod credentials;
mod drawn;
mod faults;
mod files;
mod limits;
mod native;
mod outage;
mod pages;
mod redirects;
mod requests;
mod secrets;
mod world;
