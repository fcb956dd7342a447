import postfix debian.cf
