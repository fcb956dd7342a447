import vpop3 SMTPALLOWED.DAT IMAPALLOWED.DAT pop3:01-vpop3-old.txt
