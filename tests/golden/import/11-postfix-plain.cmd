import postfix plain.cf
