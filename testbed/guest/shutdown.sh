#!/bin/sh
# What the guest agent calls for guest-shutdown: shutdown -h|-P|-r +0 MESSAGE
case " $* " in
  *' -r '*) exec reboot -f ;;
  *) exec poweroff -f ;;
esac
