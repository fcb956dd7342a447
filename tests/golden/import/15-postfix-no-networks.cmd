import postfix nets.cf
