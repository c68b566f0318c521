"""PeterRec: parameter-efficient transfer to other tasks of the same users (SIGIR 2020)."""
