//! Live updates: what happens is told once and in order, however it is listened to.

mod asked;
mod bounds;
mod ends;
mod hears;
pub(crate) mod listener;
mod pages;
mod resumed;
mod unreadable;
