
BoutputJ(t¾é¾ÌGBAC”¿9Ğ@Hñ‹¾İ´¥¿4º¿I°Ä¿qÀqÃ¿