"""What the end-to-end tests stand on: the platform as a child process, a scripted upstream, raw sockets, /proc."""
