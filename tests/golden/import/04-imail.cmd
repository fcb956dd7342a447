import imail relay.txt accept.txt kill.lst
