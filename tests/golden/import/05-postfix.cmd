import postfix main.cf
