import './roomview.css';
import './panel.css';
