-- MySQL dump 10.19
/*!40101 SET NAMES utf8 */;
DROP TABLE IF EXISTS `mail_user`;
CREATE TABLE `mail_user` (
  `mailuser_id` int(11) unsigned NOT NULL AUTO_INCREMENT,
  `sys_perm_user` varchar(5) DEFAULT 'a,b)',
  `email` varchar(255) NOT NULL DEFAULT '',
  `login` varchar(255) NOT NULL,
  `password` varchar(255) NOT NULL,
  PRIMARY KEY (`mailuser_id`),
  KEY `server_id` (`sys_perm_user`,`email`)
) ENGINE=InnoDB;
INSERT INTO `mail_user` VALUES (5,'riud','Shop@example.com','shop@example.com','x\';(y'),
 (6,NULL,'info@example.com','info6','a''b'),(7,NULL,'o\'neil "x"@example.com','o\'neil "x"@example.com','');
INSERT INTO `other` VALUES ('mail_user',(1));
INSERT INTO `mail_user_ip_restriction` VALUES (1,5,'10.0.0.101','w','smtp'),(2,5,'none','w','pop3'),(3,6,'192.0.2.0/24','b',''),
(4,6,'2001:db8::1/32','w','imap'),(5,7,'shop.example','w','imap'),(6,99,'192.0.2.1','w',''),(7,7,'192.0.2.1','b','lmtp'),(8,7,'x','b','imap');
