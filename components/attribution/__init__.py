"""Attribution: which stage loses what, and what each part of a system adds."""
